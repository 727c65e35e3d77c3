/**
 * The payload of the agent's `survey` operation; its format is described in tests/agent/survey.zig.
 * @module
 */

export interface SurveyEntry {
  /** Relative to the surveyed directory. */
  path: string;
  mode: number;
  /** Where its stat fields are in the payload. */
  statOffset: number;
  content: bigint;
  xattrs: bigint;
  errno: number;
}

const STAT_BYTES = 16 * 8;
const decoder = new TextDecoder();

export function decodeSurvey(payload: Uint8Array): SurveyEntry[] {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const entries: SurveyEntry[] = [];
  for (let offset = 0; offset < payload.length;) {
    const length = view.getUint16(offset, true);
    const statOffset = offset + 2 + length;
    entries.push({
      path: decoder.decode(payload.subarray(offset + 2, statOffset)),
      mode: view.getUint32(statOffset, true),
      statOffset,
      content: view.getBigUint64(statOffset + STAT_BYTES, true),
      xattrs: view.getBigUint64(statOffset + STAT_BYTES + 8, true),
      errno: view.getInt32(statOffset + STAT_BYTES + 16, true),
    });
    offset = statOffset + STAT_BYTES + 20;
  }
  return entries;
}
