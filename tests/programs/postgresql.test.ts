/** PostgreSQL as an ordinary user: initdb with checksums, pgbench, a crash and its recovery, a dump, an unclean stop. */
import { assert, assertEquals } from "@std/assert";
import { isLong, type Place, type Results, testProgram } from "./scenario.ts";
import { canRun } from "../support/mounts.ts";

/** nobody: initdb wants a user who has a name and is not root. */
const UID = 65534;
const CLIENT_COUNT = 4;
const TRANSACTION_COUNT = isLong() ? 5000 : 150;

/** The newest of Debian's PostgreSQL servers. */
function binaries(): string {
  const parent = "/usr/lib/postgresql";
  const versions = [...Deno.readDirSync(parent)].map((entry) => Number(entry.name)).filter(
    Number.isFinite,
  );
  assert(versions.length > 0, `no PostgreSQL server in ${parent}`);
  return `${parent}/${Math.max(...versions)}/bin`;
}

/** A cluster on the mount, with its socket there too; disposing stops the server whatever has happened. */
class Cluster implements AsyncDisposable {
  readonly #bin = binaries();
  readonly #data: string;
  readonly #identity: { uid: number; cwd: string; env: Record<string, string>; timeoutMs: number };

  constructor(readonly place: Place) {
    this.#data = `${place.dir}/data`;
    Deno.chownSync(place.dir, UID, UID);
    this.#identity = {
      uid: UID,
      cwd: place.dir,
      env: { HOME: place.dir, PGHOST: place.dir, PGUSER: "owner", PGDATABASE: "postgres" },
      timeoutMs: 120_000,
    };
  }

  tool(name: string, ...args: string[]): Promise<string> {
    return this.place.ok([`${this.#bin}/${name}`, ...args], this.#identity);
  }

  initialize(): Promise<string> {
    return this.tool(
      "initdb",
      "-D",
      this.#data,
      "-U",
      "owner",
      "-k",
      "-A",
      "trust",
      "--locale=C",
      "-E",
      "UTF8",
    );
  }

  start(): Promise<string> {
    const settings =
      `-c listen_addresses= -c unix_socket_directories=${this.place.dir} -c shared_buffers=16MB`;
    return this.tool(
      "pg_ctl",
      "start",
      "-w",
      "-s",
      "-D",
      this.#data,
      "-l",
      `${this.place.dir}/log`,
      "-o",
      settings,
    );
  }

  stop(mode: "fast" | "immediate"): Promise<string> {
    return this.tool("pg_ctl", "stop", "-w", "-s", "-D", this.#data, "-m", mode);
  }

  query(...statements: string[]): Promise<string> {
    return this.tool(
      "psql",
      "-XAtq",
      "-v",
      "ON_ERROR_STOP=1",
      ...statements.flatMap((sql) => ["-c", sql]),
    );
  }

  bench(...args: string[]): Promise<string> {
    return this.tool(
      "pgbench",
      "-n",
      "-c",
      String(CLIENT_COUNT),
      "-j",
      "2",
      "-t",
      String(TRANSACTION_COUNT),
      ...args,
    );
  }

  checksums(): Promise<string> {
    return this.tool("pg_checksums", "--check", "-D", this.#data);
  }

  async [Symbol.asyncDispose]() {
    await this.place.run(
      [`${this.#bin}/pg_ctl`, "stop", "-s", "-D", this.#data, "-m", "immediate"],
      this.#identity,
    );
  }
}

/** The invariant of pgbench's accounts: every table has the same sum. */
const SUMS =
  `SELECT (SELECT sum(abalance) FROM pgbench_accounts) = (SELECT sum(delta) FROM pgbench_history),
  (SELECT sum(tbalance) FROM pgbench_tellers) = (SELECT sum(bbalance) FROM pgbench_branches),
  (SELECT count(*) FROM pgbench_history)`;

async function benchmark(place: Place): Promise<Results> {
  await using cluster = new Cluster(place);
  const initialized = await cluster.initialize();
  await cluster.start();
  await cluster.tool("pgbench", "-i", "-q", "-s", "2");
  await cluster.bench();
  const count = CLIENT_COUNT * TRANSACTION_COUNT;
  assertEquals(await cluster.query(SUMS), `t|t|${count}\n`);
  await cluster.query(
    "CREATE TABLE t AS SELECT n, repeat(md5(n::text), 50) AS text FROM generate_series(1, 5000) n",
  );
  await cluster.query(
    "CREATE INDEX ON t (md5(text))",
    "CREATE EXTENSION amcheck",
    "VACUUM FULL",
  );
  await cluster.stop("immediate"); // as after a crash: the next start replays the log
  await cluster.start();
  const recovered = await cluster.query(SUMS);
  await cluster.bench();
  const results = {
    initialized: initialized.replace(/selecting.*/g, ""),
    recovered,
    afterwards: await cluster.query(SUMS),
    amcheck: await cluster.tool("pg_amcheck", "--heapallindexed"),
    // The key of \restrict is random.
    dump: (await cluster.tool("pg_dump", "-t", "t")).replaceAll(/^.(un)?restrict .*$/gm, ""),
  };
  await cluster.stop("fast");
  assert((await cluster.checksums()).includes("Bad checksums:  0"));
  return results;
}

testProgram({
  name: "PostgreSQL: initdb, pgbench, recovery and checksums as an ordinary user",
  options: ["allow_other"],
  async prepare() {
    assert(canRun && Deno.uid() === 0, "only root can start the server as an ordinary user");
    await Promise.resolve();
  },
  perform: benchmark,
});
