/** npm ci of a real tree, and programs that run from it. The lock file names no registry: npm uses the configured one. */
import { assert } from "@std/assert";
import { manifest } from "./manifest.ts";
import { npm } from "./registry.ts";
import { testProgram } from "./scenario.ts";

const TREE = new URL("npm_tree/", import.meta.url).pathname;

/** A web server with one page, asked once; and a use of lodash. */
const PROGRAM = `
const application = require("express")();
application.get("/", (request, response) => response.send(require("lodash").capitalize("some TEXT")));
const server = application.listen(0, "127.0.0.1", async () => {
  const answer = await fetch("http://127.0.0.1:" + server.address().port + "/");
  console.log(answer.status, await answer.text());
  server.close();
});
`;

const SUITE = `
const assert = require("assert"), fs = require("fs");
describe("files", () => {
  it("are written and read", () => { fs.writeFileSync("made", "x"); assert.equal(fs.readFileSync("made", "utf8"), "x"); });
  it("are watched", async () => {
    const seen = new Promise((resolve) => { const watcher = fs.watch(".", () => { watcher.close(); resolve(); }); });
    fs.writeFileSync("watched", "x");
    await seen;
  });
});
`;

testProgram({
  name: "npm ci: a tree of some 200 packages, and programs run from it",
  async perform(place) {
    const project = `${place.dir}/project`;
    await place.sh(`mkdir project; cp '${TREE}package.json' '${TREE}package-lock.json' project`);
    await npm(["ci", "--ignore-scripts"], { cwd: project });
    const modules = await manifest(`${project}/node_modules`, { withoutTimes: true });
    assert(
      modules.split("\n").length > 1000 || modules.length > 100_000,
      "too little was installed to be a test",
    );
    Deno.writeTextFileSync(`${project}/test.js`, SUITE);
    Deno.writeTextFileSync(`${project}/bad.js`, "var unused = 1;\nif (unused = 2) debugger;\n");
    return {
      modules,
      listed: await npm(["ls", "--all", "--parseable"], { cwd: project }),
      program: await place.ok(["node", "-e", PROGRAM], { cwd: project }),
      eslint: (await place.run(
        [
          "node_modules/.bin/eslint",
          "--no-eslintrc",
          "--rule",
          "no-debugger: 2",
          "--rule",
          "no-cond-assign: 2",
          "bad.js",
        ],
        { cwd: project },
      )).stdout,
      mocha: (await place.ok(["node_modules/.bin/mocha", "test.js"], { cwd: project })).replaceAll(
        / \(\d+ms\)/g,
        "",
      ),
    };
  },
});
