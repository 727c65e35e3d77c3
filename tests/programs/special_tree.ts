/**
 * A small tree of everything a directory can hold: hard links, long and dangling symbolic links, a FIFO, a device,
 * set-id and sticky bits, foreign owners, sparse files, old and far times in ns, unusual names, attributes, ACLs.
 * @module
 */
import { run, runOk } from "../support/mounts.ts";

const SCRIPT = `
umask 022
mkdir -p plain/a/b/c/d/e/f empty sticky setgid names
i=0
while [ $i -lt 40 ]; do
  i=$((i + 1))
  seq 1 $((i * 50)) > plain/a/file$i
  touch -d "2020-02-$((i % 28 + 1)) 03:04:05.$((i * 24691357))" plain/a/file$i
done
chmod 1777 sticky
chmod 2775 setgid
for mode in 0000 0400 0111 0644 0755 4755 2755 6711 1644 7777; do echo $mode > plain/mode$mode; chmod $mode plain/mode$mode; done
echo linked > plain/one; ln plain/one plain/a/two; ln plain/one empty-not; ln plain/one plain/a/b/three
ln -s plain/one short-link; ln -s ../missing/target dangling; ln -s / absolute; ln -s . names/self
ln -s "$(printf '%04000d' 7)" long-link; ln short-link hard-link-to-link
mkfifo -m 640 fifo
printf '' > names/empty; printf x > "names/with space"; printf x > "names/new
line"; printf x > names/-dash; printf x > "names/\\\\back\\"quote'"; printf x > names/ünï-例え-🙂
printf x > "names/$(printf '%0255d' 9)"; printf x > .hidden
truncate -s 5M sparse; printf data | dd of=sparse bs=1 seek=3000000 conv=notrunc status=none
truncate -s 20M hole; fallocate -l 262144 allocated
touch -h -d '1999-12-31 23:59:59.999999999' short-link
touch -d '1970-01-01 00:00:00.000000001' plain/one
touch -d '1965-05-05 05:05:05.5' plain/mode0644
touch -d '2100-01-01 00:00:00.123456789' plain/mode0755
`;

/** Only the superuser can make these. */
const ROOT_SCRIPT = `
mknod device-null c 1 3; mknod device-block b 7 200
chown 12:34 plain/a/file1; chown -h 56:78 dangling; chown 65534:65534 sticky
chown 1000:1000 plain/a/file2; chmod 4750 plain/a/file2
`;

/**
 * Extended attributes of one namespace. tmpfs keeps those of users only since Linux 6.6, so that an older kernel
 * leaves none but the superuser's to compare.
 */
const attributesScript = (space: string) => `
setfattr -n ${space}.empty -v '' plain/a/file3
setfattr -n ${space}.text -v 'some text' plain/a/file3
setfattr -n ${space}.long -v "$(printf '%02000d' 5)" plain/a/file4
setfattr -n ${space}.on-directory -v 1 plain/a
`;

async function attributeSpaces(): Promise<string[]> {
  const probe = await Deno.makeTempFile({ dir: "/dev/shm", prefix: "btfuse-probe-" });
  try {
    const users = (await run(["setfattr", "-n", "user.probe", "-v", "1", probe])).code === 0;
    return [...(Deno.uid() === 0 ? ["trusted"] : []), ...(users ? ["user"] : [])];
  } finally {
    await Deno.remove(probe);
  }
}

const ACL_SCRIPT = `
setfacl -m u:1234:rw,g:56:r plain/a/file5
setfacl -m u:1234:rwx,d:u:1234:rx,d:g::r setgid
echo inherited > setgid/inherited
mkdir setgid/inherited-directory
`;

/**
 * Times of the moment are no use: a copy made within the same second would have them by chance.
 * The directories get theirs last, because every file made in them changes these.
 */
const TIMES_SCRIPT = `
find . -newermt 2022-01-01 ! -newermt 2090-01-01 -exec touch -h -d '2018-01-02 03:04:05.678901234' {} +
find . -depth -type d -exec touch -d '2021-06-07 08:09:10.111222333' {} +
`;

/** What to add to the plain tree. */
export interface SpecialTreeOptions {
  withAttributes?: boolean;
  withAcls?: boolean;
}

/** Makes the tree in the existing, empty directory `dir`, which has to support what is asked for. */
export async function makeSpecialTree(
  dir: string,
  options: SpecialTreeOptions = {},
): Promise<void> {
  const script = [
    SCRIPT,
    Deno.uid() === 0 ? ROOT_SCRIPT : "",
    ...options.withAttributes ? (await attributeSpaces()).map(attributesScript) : [],
    options.withAcls ? ACL_SCRIPT : "",
    TIMES_SCRIPT,
  ].join("");
  await runOk(["bash", "-euc", script], { cwd: dir, env: { LC_ALL: "C.UTF-8", TZ: "UTC" } });
}
