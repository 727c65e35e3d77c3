/** cp -a and tar: copies of header files and of a tree of special files keep owners, modes, times and links. */
import { assertSameTree, manifest } from "./manifest.ts";
import { isLong, testProgram } from "./scenario.ts";
import { makeSpecialTree } from "./special_tree.ts";
import { runOk } from "../support/mounts.ts";

const INCLUDE = isLong() ? "/usr/include" : "/usr/include/linux";

testProgram({
  name: `cp -a and tar of ${INCLUDE}`,
  size: "1G",
  async perform(place) {
    await place.ok(["cp", "-a", INCLUDE, "copied"]);
    await assertSameTree(`${place.dir}/copied`, INCLUDE);
    // tar's own format keeps whole seconds only; posix keeps nanoseconds.
    await place.sh("tar --format=posix -cf include.tar copied; tar --compare -f include.tar");
    await place.sh("mkdir unpacked; tar -xpf include.tar -C unpacked");
    await place.sh("diff -r copied unpacked/copied");
    const results = {
      copied: await manifest(`${place.dir}/copied`),
      unpacked: await manifest(`${place.dir}/unpacked/copied`),
      "size of the archive": await place.ok(["stat", "-c", "%s", "include.tar"]),
      "space used": await place.ok(["du", "-sk", "copied"]),
      "found text": await place.sh("grep -rlw ioctl copied | sort"),
    };
    await place.ok(["rm", "-r", "copied", "unpacked", "include.tar"]);
    return { ...results, "after removal": await place.sh("ls -A") };
  },
});

testProgram({
  name: "cp -a, tar and mv of special files",
  async prepare(fixtures) {
    Deno.mkdirSync(`${fixtures}/tree`);
    await makeSpecialTree(`${fixtures}/tree`);
  },
  async perform(place) {
    const source = `${place.fixtures}/tree`;
    await place.ok(["cp", "-a", source, "copied"]);
    await place.sh(
      "tar --format=posix -cf tree.tar copied; mkdir unpacked; tar -xpf tree.tar -C unpacked",
    );
    await place.sh(
      "mkdir moved; cp -a copied moved/copied; mv moved/copied moved/again; mv moved/again .",
    );
    await runOk(["cp", "-a", `${place.dir}/again`, `${place.scratch}/back`]);
    for (
      const copy of [`${place.dir}/copied`, `${place.dir}/unpacked/copied`, `${place.scratch}/back`]
    ) {
      await assertSameTree(copy, source);
    }
    return {
      copied: await manifest(`${place.dir}/copied`, { withBlocks: true }),
      again: await manifest(`${place.dir}/again`, { withBlocks: true }),
    };
  },
});
