/** The names of our shared-memory objects: "/btfuse.UID.NAME", which is /dev/shm/btfuse.UID.NAME. */

export interface ObjectName {
  uid: number;
  name: string;
}

const directory = "/dev/shm";
const namePattern = /^[A-Za-z0-9._-]{1,64}$/;

export function isMountName(text: string): boolean {
  return namePattern.test(text);
}

/** The name for `Region.create` and `Region.open`. */
export function objectName({ uid, name }: ObjectName): string {
  return `/btfuse.${uid}.${name}`;
}

export function objectPath(object: ObjectName): string {
  return directory + objectName(object);
}

export function objectExists(object: ObjectName): boolean {
  try {
    return Deno.lstatSync(objectPath(object)).isFile;
  } catch {
    return false;
  }
}

/** Every object of every user. */
export function listObjects(): ObjectName[] {
  const objects: ObjectName[] = [];
  for (const { name: fileName } of Deno.readDirSync(directory)) {
    const [, uid, name] = /^btfuse\.(\d+)\.(.*)$/.exec(fileName) ?? [];
    if (name !== undefined && isMountName(name)) objects.push({ uid: Number(uid), name });
  }
  return objects;
}

/** Removes the object's name; one that is gone already is no error. */
export function removeObject(object: ObjectName): void {
  try {
    Deno.removeSync(objectPath(object));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** The calling user; Linux always has one. */
export function currentUid(): number {
  return Deno.uid() ?? 0;
}
