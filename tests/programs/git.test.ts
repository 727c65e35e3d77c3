/** git: clone, 50 commits, branches and a merge, gc, fsck, worktrees, a clone made of hard links. */
import { manifest } from "./manifest.ts";
import { isLong, testProgram } from "./scenario.ts";
import { runOk } from "../support/mounts.ts";

const FILE_COUNT = 300;
const PAST_COMMIT_COUNT = 80;
const COMMIT_COUNT = isLong() ? 500 : 50;

/** A history for `git fast-import`: text, binary and executable files, a symbolic link, deep directories, tags. */
function history(): string {
  const lines: string[] = [];
  const add = (path: string, mode: string, text: string) =>
    lines.push(`M ${mode} inline ${path}`, `data ${new TextEncoder().encode(text).length}`, text);
  for (let commit = 0; commit < PAST_COMMIT_COUNT; commit++) {
    lines.push("commit refs/heads/main", `mark :${commit + 1}`);
    lines.push(`committer Some One <one@example.org> ${1_700_000_000 + commit * 60} +0000`);
    lines.push(`data ${`change ${commit}`.length}`, `change ${commit}`);
    const count = commit === 0 ? FILE_COUNT : 7;
    for (let i = 0; i < count; i++) {
      const file = (commit * 13 + i) % FILE_COUNT;
      const text = `${`line of file ${file} at ${commit}\n`.repeat(5 + file)}\u0000\u0001`;
      add(
        `dir${file % 11}/deep/er${file % 5}/file${file}.txt`,
        file % 17 === 0 ? "100755" : "100644",
        text,
      );
    }
    if (commit === 0) add("link", "120000", "dir0/deep");
    if (commit % 20 === 19) lines.push(`reset refs/tags/v${commit}`, `from :${commit + 1}`, "");
  }
  return lines.join("\n") + "\n";
}

/** Commits have fixed authors and dates, so that their names are the same on every file system. */
const COMMITS = `
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org
export GIT_AUTHOR_DATE='1750000000 +0000' GIT_COMMITTER_DATE='1750000000 +0000'
git clone -q "file://$1/source.git" clone
cd clone
git config pack.threads 1
git config gc.auto 0
i=0
while [ $i -lt ${COMMIT_COUNT} ]; do
  i=$((i + 1))
  echo "change $i" >> "dir$((i % 11))/new$i"
  sed -i "1s/.*/edited by $i/" dir1/deep/er1/file1.txt
  git add -A
  [ $((i % 10)) -ne 0 ] || git mv -f "dir$((i % 11))/new$i" "moved$i"
  git commit -q -m "commit $i"
done
git checkout -q -b side HEAD~10
echo side > side
git add side
git commit -q -m side
git checkout -q main
git merge -q -m merge side
echo unfinished >> side
git stash -q
git gc -q --prune=now
git worktree add -q ../tree v19
git -C ../tree status --porcelain
git clone -q --local . ../linked
`;

testProgram({
  name: `git: clone, ${COMMIT_COUNT} commits, gc, fsck, worktree`,
  async prepare(fixtures) {
    const repository = `${fixtures}/source.git`;
    await runOk(["git", "init", "-q", "--bare", "-b", "main", repository]);
    await runOk(["git", "fast-import", "--quiet"], { cwd: repository, stdin: history() });
  },
  async perform(place) {
    const clone = `${place.dir}/clone`;
    const output = await place.ok([
      "sh",
      "-euc",
      `umask 022\n${COMMITS}`,
      "commits",
      place.fixtures,
    ]);
    return {
      output,
      head: await place.ok(["git", "-C", clone, "log", "--all", "--format=%H %T %s"]),
      status: await place.ok(["git", "-C", clone, "status", "--porcelain=v2", "--branch"]),
      fsck: await place.ok(["git", "-C", clone, "fsck", "--full", "--strict"]),
      "fsck of the clone by links": await place.ok([
        "git",
        "-C",
        `${place.dir}/linked`,
        "fsck",
        "--full",
      ]),
      worktrees: await place.ok(["git", "-C", clone, "worktree", "list", "--porcelain"]),
      "removed worktree": await place.sh(
        "cd clone; git worktree remove ../tree; git worktree list; ls ..",
      ),
      repository: await place.sh(
        "cd clone; find .git ! -type d -printf '%p %y %m %n\\n' | sort; git count-objects -v",
      ),
      "working tree": await manifest(`${place.dir}/linked`, { withoutTimes: true }).then((text) =>
        text.split("\n").filter((line) => !line.startsWith('".git/')).join("\n")
      ),
    };
  },
});
