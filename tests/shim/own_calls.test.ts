/**
 * Programs that make system calls by themselves, without libc: the kernel gets descriptors that it can use, and `btfuse doctor` says why the
 * library does not serve them. Programs that only look as if they did are served.
 */
import { assert, assertEquals, assertGreater, assertMatch } from "@std/assert";
import { native } from "../../ffi/native.ts";
import { btfuseCommand, type BtfuseMount, mountBtfuse, run, runOk } from "../support/mounts.ts";
import { canPreload, report } from "./support.ts";

const hasFfi = Deno.permissions.querySync({ name: "ffi" }).state === "granted";

/** What the library finds in pieces of machine code: 1 nothing, 2 calls with descriptors, 3 others. */
const pieces: [what: string, code: string, verdict: number][] = [
  ["mov $17, %eax; syscall", "b8 11 00 00 00 0f 05 c3", 2],
  ["mov $202, %eax; syscall: futex", "b8 ca 00 00 00 0f 05 c3", 1],
  ["mov $39, %rax; syscall: getpid", "48 c7 c0 27 00 00 00 0f 05 c3", 1],
  ["xor %eax, %eax; syscall: read", "31 ff 31 c0 0f 05 48 3d 00 f0 ff ff", 2],
  ["mov $80, %eax; syscall: chdir", "b8 50 00 00 00 0f 05 c3", 3],
  ["mov $2, %eax; other registers; syscall: open", "b8 02 00 00 00 48 89 fe 31 d2 0f 05 c3", 2],
  ["mov %edi, %eax; syscall; ret", "89 f8 48 89 f7 48 89 d6 0f 05 c3", 3],
  ["mov 8(%rsp), %rax; syscall; cmp", "48 8b 44 24 08 0f 05 48 3d 01 f0 ff ff", 3],
  ["mov $17, %eax; call; syscall: not the number", "b8 11 00 00 00 e8 00 00 00 00 0f 05 c3", 3],
  ["the bytes in a number", "90 90 90 90 b8 0f 05 00 00 c3", 1],
  ["the bytes in a distance", "90 90 90 90 48 8d 05 0f 05 00 00 c3", 1],
  [
    "the bytes at the end of one and the start of another",
    "90 90 90 83 c0 0f 05 00 01 00 00 c3",
    1,
  ],
  ["sysenter and other neighbours", "0f 34 0f 06 0f 04 05 0f", 1],
  ["nothing", "", 1],
];

for (const [what, code, verdict] of pieces) {
  Deno.test({
    name: `machine code: ${what}`,
    ignore: !hasFfi,
    fn() {
      const bytes = code === "" ? [] : code.split(" ").map((byte) => parseInt(byte, 16));
      const name = new TextEncoder().encode("/a/program\0");
      // Also behind a vector's width of other code, and before one.
      for (const around of [0, 5, 64, 100]) {
        const nops = Array(around).fill(0x90);
        const all = Uint8Array.from([...nops, ...bytes, ...nops]);
        assertEquals(native().bt_inline_calls(name, all, BigInt(all.length)), verdict, `${around}`);
      }
    },
  });
}

const call = `
static long call(long n, long a, long b, long c, long d) {
  long r; register long r10 __asm__("r10") = d;
  __asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory"); return r;
}`;
const head = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
${call}
static int opened(const char *name) { int f = open(name, O_RDWR | O_CREAT, 0644); if (write(f, "hello", 5) != 5) puts("write"); return f; }
static char b[4096];
`;

/** What these do with descriptors of libc's, and what they must print. */
const programs: Record<string, { source: string; options: string[]; said: string }> = {
  "with numbers in the code": {
    source: `${head} int main(void) {
      int f = opened("a"), d = open(".", O_RDONLY | O_DIRECTORY);
      printf("%ld ", call(SYS_pread64, f, (long)b, 5, 0));
      printf("%ld ", call(SYS_flock, f, 2, 0, 0));
      printf("%ld ", call(SYS_ftruncate, f, 3, 0, 0));
      printf("%d %d\\n", call(SYS_getdents64, d, (long)b, 4096, 0) > 0, call(SYS_openat, d, (long)"a", 0, 0) > 2);
      return 0; }`,
    options: ["-O1"],
    said: "5 0 0 1 1\n",
  },
  "with a function for any number": {
    source:
      `${head} __attribute__((noinline)) long any(long n, long a, long b, long c, long d) { return call(n, a, b, c, d); }
      int main(int argc, char **argv) {
      int f = opened("a"); mkdir("below", 0755);
      printf("%ld ", any(SYS_pread64 + argc - 1, f, (long)b, 5, 0));
      printf("%ld ", any(SYS_chdir, (long)"below", 0, 0, 0));
      printf("%d ", access("a", F_OK));
      printf("%ld\\n", any(SYS_fchmod, f, 0600, 0, 0));
      return 0; }`,
    options: ["-O2", "-fno-ipa-cp", "-fno-ipa-sra"],
    said: "5 0 -1 0\n",
  },
  "in a library that is loaded later": {
    source: `${head} int main(int argc, char **argv) {
      int f = opened("before"); void *l = dlopen(argv[1], RTLD_NOW);
      long (*look)(int, char *) = dlsym(l, "look"); int g = opened("after");
      printf("%ld %ld ", look(f, b), look(g, b)); dlclose(l);
      printf("%ld\\n", pread(opened("end"), b, 5, 0));
      return 0; }`,
    options: ["-O1", "-ldl"],
    said: "5 5 5\n",
  },
};

for (const [name, { source, options, said }] of Object.entries(programs)) {
  for (const eager of ["", "1"]) {
    Deno.test({
      name: `system calls of a program's own ${name}${eager === "1" ? ", attached at once" : ""}`,
      ignore: !canPreload,
      async fn() {
        await using m = await mountBtfuse({ size: "16M" });
        const later = await compile(
          m,
          "later.so",
          `${call}
          long look(int fd, char *b) { return call(17, fd, (long)b, 5, 0); }`,
          ["-O1", "-shared", "-fPIC"],
        );
        const program = await compile(m, "program", source, options);
        const { stdout, stderr } = await runOk(
          [...btfuseCommand(), "run", "--mount", m.dir, "--", program, later],
          { cwd: m.dir, env: { BTFUSE_EAGER: eager, BTFUSE_REPORT: "1" } },
        );
        assertEquals(stdout, said);
        assert(stderr === "" || report(stderr).open !== undefined);
        const doctor = await run([...btfuseCommand(), "doctor", "--mount", m.dir, program]);
        if (name.includes("later")) return assertEquals(doctor.code, 0, doctor.stdout);
        assertEquals(doctor.code, 1);
        assertMatch(doctor.stdout, /program makes system calls by itself/);
      },
    });
  }
}

Deno.test({
  name: "a program whose code only looks as if it made system calls is served",
  ignore: !canPreload,
  async fn() {
    await using m = await mountBtfuse({ size: "16M" });
    // 0f 05 stand in a number, and a call of futex does not concern the library.
    const source = `${head} int main(void) { volatile int x = 0x050f; int f = opened("a");
      printf("%ld %ld %d\\n", pread(f, b, 5, 0), call(SYS_futex, (long)&x, 1, 1, 0), x); return 0; }`;
    const program = await compile(m, "program", source, ["-O1"]);
    const { stdout, stderr } = await runOk(
      [...btfuseCommand(), "run", "--mount", m.dir, "--", program],
      { cwd: m.dir, env: { BTFUSE_EAGER: "1", BTFUSE_REPORT: "1" } },
    );
    assertEquals(stdout, "5 0 1295\n");
    assertGreater(report(stderr).open?.fast ?? 0, 0, stderr);
    const doctor = await run([...btfuseCommand(), "doctor", "--mount", m.dir, program]);
    assertEquals(doctor.code, 0, doctor.stdout);
  },
});

async function compile(
  m: BtfuseMount,
  name: string,
  source: string,
  options: string[],
): Promise<string> {
  const path = `${m.scratch}/${name}`;
  Deno.writeTextFileSync(`${path}.c`, source);
  await runOk(["gcc", "-w", "-o", path, `${path}.c`, ...options]);
  return path;
}
