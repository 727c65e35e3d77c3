/** sqlite3: every journal mode, four processes writing at once (one of them always through the kernel), integrity_check, hot-journal recovery. */
import { assertEquals } from "@std/assert";
import { isLong, type Place, type Results, testProgram } from "./scenario.ts";

const WRITER_COUNT = 4;
const TRANSACTION_COUNT = isLong() ? 1000 : 100;
const ROWS_PER_TRANSACTION = 5;

function schema(mode: string): string {
  return `
PRAGMA page_size=4096; PRAGMA journal_mode=${mode};
CREATE TABLE item (writer INT, number INT, text TEXT, PRIMARY KEY (writer, number));
CREATE INDEX by_text ON item (text);
CREATE TABLE total (writer INT PRIMARY KEY, count INT);
INSERT INTO total VALUES (1,0),(2,0),(3,0),(4,0);
`;
}

/** One writer's input: every transaction reads, inserts and updates. */
function transactions(writer: number, mode: string): string {
  const lines = [
    ".timeout 60000",
    ".bail on",
    ".output /dev/null",
    `PRAGMA journal_mode=${mode};`,
    ".output",
  ];
  for (let n = 0; n < TRANSACTION_COUNT; n++) {
    lines.push("BEGIN IMMEDIATE;");
    for (let row = n * ROWS_PER_TRANSACTION; row < (n + 1) * ROWS_PER_TRANSACTION; row++) {
      lines.push(
        `INSERT INTO item VALUES (${writer}, ${row}, printf('%0*d', ${100 + row % 900}, ${
          row * writer
        }));`,
      );
    }
    lines.push(
      `UPDATE total SET count = (SELECT count(*) FROM item WHERE writer = ${writer}) WHERE writer = ${writer};`,
    );
    lines.push("COMMIT;");
  }
  return lines.join("\n") + "\n";
}

async function writeTogether(place: Place, mode: string): Promise<Results> {
  const database = `${mode}.db`;
  const made = await place.ok(["sqlite3", "-bail", database], { stdin: schema(mode) });
  const outputs = await Promise.all(
    Array.from(
      { length: WRITER_COUNT },
      (_, index) =>
        place.ok(["sqlite3", "-bail", database], {
          stdin: transactions(index + 1, mode),
          // One of them goes through the kernel, wherever the others go.
          ...(index === 0 ? { env: { LD_PRELOAD: "" } } : {}),
        }),
    ),
  );
  const query = (sql: string) => place.ok(["sqlite3", "-bail", database, sql]);
  const count = WRITER_COUNT * TRANSACTION_COUNT * ROWS_PER_TRANSACTION;
  assertEquals(
    await query("PRAGMA integrity_check; SELECT count(*), sum(length(text)) > 0 FROM item;"),
    `ok\n${count}|1\n`,
  );
  return {
    [`${mode} journal`]: made + outputs.join(""),
    [`${mode} totals`]: await query("SELECT * FROM total ORDER BY writer;"),
    [`${mode} rows`]: await query("SELECT writer, number, text FROM item ORDER BY writer, number;"),
    [`${mode} vacuum`]: await query("VACUUM; PRAGMA integrity_check;"),
    [`${mode} files`]: await place.sh(`ls ${mode}.*`),
  };
}

for (const mode of ["delete", "truncate", "persist", "memory", "wal", "off"]) {
  testProgram({
    name: `sqlite3: four writers with journal_mode=${mode}`,
    perform: (place) => writeTogether(place, mode),
  });
}

testProgram({
  name: "sqlite3: a writer killed in the middle of a transaction",
  async perform(place) {
    const results: Results = {};
    for (const mode of ["delete", "truncate", "persist", "wal"]) {
      const database = `${mode}.db`;
      await place.ok(["sqlite3", "-bail", database], { stdin: schema(mode) });
      // A tiny cache makes the unfinished transaction spill into the database file before the process is killed.
      const unfinished = `PRAGMA journal_mode=${mode}; PRAGMA cache_size=5; BEGIN;
        INSERT INTO item SELECT 9, value, printf('%0500d', value) FROM generate_series(1, 3000);
        .shell kill -9 $PPID`.replaceAll(/^ +/gm, "");
      const killed = await place.run(["sqlite3", database], { stdin: unfinished });
      assertEquals(killed.code, 128 + 9, killed.stderr);
      results[mode] = await place.ok(["sqlite3", "-bail", database], {
        stdin: "SELECT count(*) FROM item; PRAGMA integrity_check; SELECT * FROM total;\n",
      });
    }
    return results;
  },
});
