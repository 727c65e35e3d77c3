/**
 * Where things are in a run: directories, and the slots that are not for random use.
 * @module
 */

/** Operations start several levels down, so that ".." cannot leave what the survey sees. */
export const WORK_FROM_BASE = "up1/up2/up3/work";
export const BASE_FROM_WORK = "../../../..";

/** Holds the starting directory. */
export const ROOT_SLOT = 0;
/** First of the slots for random use. */
export const SLOT_FIRST = 1;
export const SLOT_COUNT = 16;
/** Holds a file that nobody changes, for sendfile: what a pipe was sent may change with its file afterwards. */
export const SOURCE_SLOT = 100;
export const SOURCE_PATH = "../source";
export const SOURCE_BYTES = 150_000;
