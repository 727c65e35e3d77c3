/** rsync -aHAX: a tree with hard links, attributes and ACLs, to the mount, within it and back again. */
import { assertSameTree, manifest, type ManifestOptions } from "./manifest.ts";
import { type Place, type Results, testProgram } from "./scenario.ts";
import { makeSpecialTree, type SpecialTreeOptions } from "./special_tree.ts";

/** What `rsync --itemize-changes` still finds to do; empty when the trees are equal. */
const STILL_TO_DO = "rsync -aHAX --checksum --dry-run --itemize-changes --delete";

async function synchronize(place: Place): Promise<Results> {
  const source = `${place.fixtures}/tree`;
  const back = `${place.scratch}/back`;
  const exact: ManifestOptions = { withAttributes: true, withoutDirectoryLinks: true };
  await place.ok(["rsync", "-aHAX", `${source}/`, "there"]);
  await place.ok(["rsync", "-aHAX", "there/", back]);
  await assertSameTree(`${place.dir}/there`, source, exact);
  await assertSameTree(back, source, exact);
  const stillToDo = await place.sh(
    `${STILL_TO_DO} ${source}/ there/; ${STILL_TO_DO} there/ ${back}/`,
  );
  // Differences are sent as such: in place, appended, deleted, and with hard links to the previous copy.
  const updates = await place.sh(`
    cp -a there before
    echo more >> before/plain/a/file9; rm before/plain/a/file10; mv before/names before/renamed
    chmod 600 before/plain/a/file11; touch -d '2001-01-01 01:01:01.5' before/plain/a/file12
    rsync -aHAX --delete --itemize-changes --link-dest=../there before/ after
    rsync -aHAX --delete --inplace --no-whole-file --itemize-changes before/ there/
    ${STILL_TO_DO} before/ there/; ${STILL_TO_DO} before/ after/
  `);
  return {
    stillToDo,
    // Only the times of the moment differ.
    updates: updates.split("\n").sort().join("\n"),
    after: await manifest(`${place.dir}/after`, { withAttributes: true, withoutTimes: true }),
  };
}

function testRsync(name: string, options: SpecialTreeOptions): void {
  testProgram({
    name,
    async prepare(fixtures) {
      Deno.mkdirSync(`${fixtures}/tree`);
      await makeSpecialTree(`${fixtures}/tree`, options);
    },
    perform: synchronize,
  });
}

testRsync("rsync -aHAX of special files with attributes", { withAttributes: true });
testRsync("rsync -aHAX of files with POSIX ACLs", { withAttributes: true, withAcls: true });
