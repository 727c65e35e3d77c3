/**
 * The rows of the bench. What each of them does is in workloads.zig, under the same name.
 * @module
 */

/** A row of the bench. */
export interface Workload {
  /** As the client knows it, and as `--only` takes it. */
  name: string;
  /** In the table. */
  label: string;
  /** One of the operations for which no FUSE file system should be slower than another's. */
  small?: boolean;
  /** Whole commands: each operation is a process anyway. */
  spawns?: boolean;
  /** Operations a sample, instead of as many as fill its time. */
  count?: number;
}

/** All rows, in the table's order. */
export const workloads: readonly Workload[] = [
  { name: "stat", label: "stat", small: true },
  { name: "fstat", label: "fstat", small: true },
  { name: "open", label: "open+close", small: true },
  { name: "open-read", label: "open+read 4K+close", small: true },
  { name: "pread-4k", label: "pread 4K", small: true },
  { name: "pwrite-4k", label: "pwrite 4K", small: true },
  { name: "pread-128k", label: "pread 128K" },
  { name: "pwrite-128k", label: "pwrite 128K" },
  { name: "read", label: "sequential read, 1 MiB" },
  { name: "write", label: "sequential write, 1 MiB" },
  { name: "create", label: "create+close+unlink", small: true },
  { name: "mkdir", label: "mkdir+rmdir", small: true },
  { name: "rename", label: "rename", small: true },
  { name: "utimens", label: "utimensat" },
  { name: "utimens-rested", label: "utimensat after 1 ms of rest", count: 50 },
  { name: "readdir", label: "readdir of all names" },
  { name: "find", label: "find over all files", spawns: true, count: 1 },
  { name: "cat", label: "cat of one file", spawns: true, count: 50 }, // 1,000 in the default 20 rounds
  { name: "exec", label: "exec of /bin/true", spawns: true, count: 50 },
];
