/**
 * System calls that a program makes by itself, without the functions of libc which the library replaces: the same look at its machine
 * code that the library takes when it comes to serve the program (shim/preload/machine_code.zig).
 */
import { native } from "../../ffi/native.ts";
import { readCode } from "./elf.ts";

const WITH_DESCRIPTORS = 2;
const ANY = 3;

/**
 * Why the library would leave the program to the kernel, a line for each of its files.
 * @param interpreter the dynamic loader, which knows the libraries of a program
 */
export function ownCallReasons(file: string, interpreter: string): string[] {
  return [file, ...librariesOf(file, interpreter)].flatMap((part) => {
    switch (verdictOf(part)) {
      case WITH_DESCRIPTORS:
        return [`${part} makes system calls by itself: what the program opens is the kernel's`];
      case ANY:
        return [`${part} makes system calls by itself, which our library would not see`];
      default:
        return [];
    }
  });
}

function verdictOf(file: string): number {
  const name = new TextEncoder().encode(`${file}\0`);
  const { bt_inline_calls } = native();
  const verdicts = readCode(file).map((code) => bt_inline_calls(name, code, BigInt(code.length)));
  return Math.max(0, ...verdicts);
}

/** Files of the libraries that are loaded with the program; the program itself is not run. */
function librariesOf(file: string, interpreter: string): string[] {
  try {
    const { stdout } = new Deno.Command(interpreter, {
      args: ["--list", file],
      env: { LD_PRELOAD: "" },
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).outputSync();
    // name => file (address)
    const lines = new TextDecoder().decode(stdout).matchAll(/^\t\S+ => (\/.*) \(0x/gm);
    return [...lines].flatMap(([, path]) => path === undefined ? [] : [path]);
  } catch {
    return []; // The loader will say what is wrong when the program is run.
  }
}
