/**
 * What has to be known of the host before time stamps can be compared.
 * @module
 */
import { type Agent, ok, S, same } from "../support/agent.ts";
import type { Rules } from "./compare.ts";

/** Whether two changes right after each other get different times on the oracle, when someone looked in between. */
export async function probeTimes(
  agent: Agent | undefined,
  dir: string,
  known: Omit<Rules, "oracleIsCoarse">,
): Promise<Rules> {
  if (!agent) throw new RangeError("the oracle has no process");
  let coarse = 0;
  const path = `${dir}/probe`;
  ok(await agent.mknod(path, S.IFREG | 0o644));
  for (let attempt = 0; attempt < 20; attempt++) {
    const outcomes = await Promise.all([
      agent.chmod(path, 0o700),
      agent.stat(path),
      agent.chmod(path, 0o755),
      agent.stat(path),
    ]);
    const [first, second] = [ok(outcomes[1]), ok(outcomes[3])];
    same([first.mode & 0o777, second.mode & 0o777], [0o700, 0o755], "modes");
    if (first.ctimeNs === second.ctimeNs) coarse++;
  }
  ok(await agent.unlink(path));
  return { ...known, oracleIsCoarse: coarse > 0 };
}
