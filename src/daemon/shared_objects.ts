/**
 * The names of our shared-memory objects: "/btfuse.UID.NAME", which is /dev/shm/btfuse.UID.NAME.
 *
 * /dev/shm is open to all, so a file of such a name may be anybody's. It counts as an object only when it belongs to the
 * user it names. Where another user has taken the name, the object gets a suffix that nobody can guess,
 * "/btfuse.UID.NAME~SUFFIX"; names of mounts cannot contain "~".
 */
import { effectiveUser, identityOf } from "../../ffi/files.ts";

export interface ObjectName {
  uid: number;
  name: string;
  /** Absent: the object has the plain name. */
  suffix?: string;
}

const directory = "/dev/shm";
const namePattern = /^[A-Za-z0-9._-]{1,64}$/;
const filePattern = /^btfuse\.(\d+)\.([A-Za-z0-9._-]{1,64})(?:~([0-9a-f]{16}))?$/;

export function isMountName(text: string): boolean {
  return namePattern.test(text);
}

/** The name for `Region.create` and `Region.open`. */
export function objectName({ uid, name, suffix }: ObjectName): string {
  return `/btfuse.${uid}.${name}${suffix === undefined ? "" : `~${suffix}`}`;
}

export function objectPath(object: ObjectName): string {
  return directory + objectName(object);
}

/** Every object of every user, and no file that only has such a name. */
export function listObjects(): ObjectName[] {
  const objects: ObjectName[] = [];
  for (const { name: fileName } of Deno.readDirSync(directory)) {
    const [, uid, name, suffix] = filePattern.exec(fileName) ?? [];
    if (name === undefined) continue;
    const object = { uid: Number(uid), name, ...(suffix !== undefined && { suffix }) };
    if (isOwn(object)) objects.push(object);
  }
  return objects;
}

/** The user's objects of this name: several where one has no mount any more and is still in use. */
export function objectsNamed(uid: number, name: string): ObjectName[] {
  return listObjects().filter((object) => object.uid === uid && object.name === name);
}

/** Whether the file belongs to the user that it names. */
function isOwn(object: ObjectName): boolean {
  const found = identityOf(objectPath(object));
  return found !== undefined && found.isFile && found.uid === object.uid;
}

/** @returns whose file has the plain name of this object, when it is another user's; undefined: the name is not taken */
export function takenBy(object: ObjectName): number | undefined {
  const found = identityOf(objectPath(object));
  if (found === undefined || (found.isFile && found.uid === object.uid)) return undefined;
  return found.uid;
}

/** A name for an object whose plain name somebody has. */
export function withSuffix({ uid, name }: ObjectName): ObjectName {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return {
    uid,
    name,
    suffix: [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(""),
  };
}

/** Removes the object's name, if the file is its user's; one that is gone already is no error. */
export function removeObject(object: ObjectName): void {
  if (!isOwn(object)) return;
  try {
    Deno.removeSync(objectPath(object));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** The calling user; the kernel's answer, not that of a library such as fakeroot's. */
export function currentUid(): number {
  return effectiveUser();
}
