/** What an ELF file says about itself, see elf(5). Only what `btfuse doctor` asks; a damaged file answers "not ELF". */

export interface ElfFile {
  bits: 32 | 64;
  /** e_machine; 62 is x86-64. */
  machine: number;
  /** The program that loads it (PT_INTERP); undefined: it is static, or a library. */
  interpreter?: string;
  /** Made by the Go compiler, whose programs make system calls without the C library. */
  isGo: boolean;
  /** Symbol versions it wants of other libraries, such as "GLIBC_2.31". */
  versionsNeeded: string[];
  /** Symbol versions it has itself. */
  versionsDefined: string[];
}

export const MACHINE_X86_64 = 62;

const HEADER_BYTES = 64;
const PT_LOAD = 1;
const PT_INTERP = 3;
/** In a program header's flags: it is code. */
const PF_X = 1;
const SHT_GNU_VERDEF = 0x6ffffffd;
const SHT_GNU_VERNEED = 0x6ffffffe;
/** No table that interests us is larger; a length beyond is damage. */
const TABLE_BYTES_MAX = 64 << 20;
const CODE_BYTES_MAX = 1 << 30;

interface Section {
  name: number;
  type: number;
  offset: number;
  size: number;
  link: number;
}

/** @returns undefined: it is not an ELF file of this byte order @throws it cannot be read */
export function readElf(path: string): ElfFile | undefined {
  using file = Deno.openSync(path);
  try {
    return parse(file);
  } catch (error) {
    // Offsets that lead out of the file.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function parse(file: Deno.FsFile): ElfFile | undefined {
  const header = read(file, 0, HEADER_BYTES);
  if (header.getUint32(0) !== 0x7f454c46 || header.getUint8(5) !== 1) return undefined;
  const bits = header.getUint8(4) === 1 ? 32 : 64;
  const machine = header.getUint16(18, true);
  const elf: ElfFile = { bits, machine, isGo: false, versionsNeeded: [], versionsDefined: [] };
  if (bits === 32) return elf;
  const interpreter = readInterpreter(file, header);
  if (interpreter !== undefined) elf.interpreter = interpreter;
  const sections = readSections(file, header);
  const names = sections[header.getUint16(62, true)];
  const nameTable = names === undefined ? undefined : read(file, names.offset, names.size);
  for (const section of sections) {
    if (nameTable !== undefined && textAt(nameTable, section.name) === ".go.buildinfo") {
      elf.isGo = true;
    }
    const isNeeded = section.type === SHT_GNU_VERNEED;
    if (!isNeeded && section.type !== SHT_GNU_VERDEF) continue;
    const texts = sections[section.link];
    if (texts === undefined) continue;
    const versions = readVersions(
      read(file, section.offset, section.size),
      read(file, texts.offset, texts.size),
      isNeeded,
    );
    (isNeeded ? elf.versionsNeeded : elf.versionsDefined).push(...versions);
  }
  return elf;
}

/** The machine code of a 64-bit file, piece by piece. @throws it cannot be read */
export function readCode(path: string): Uint8Array<ArrayBuffer>[] {
  using file = Deno.openSync(path);
  try {
    const header = read(file, 0, HEADER_BYTES);
    return programHeaders(file, header)
      .filter((entry) =>
        entry.getUint32(0, true) === PT_LOAD && (entry.getUint32(4, true) & PF_X) !== 0
      )
      .map((entry) => {
        const { buffer } = read(file, number64(entry, 8), number64(entry, 32), CODE_BYTES_MAX);
        return new Uint8Array(buffer as ArrayBuffer);
      });
  } catch (error) {
    if (error instanceof RangeError) return [];
    throw error;
  }
}

function programHeaders(file: Deno.FsFile, header: DataView): DataView[] {
  const [entryBytes, count] = [header.getUint16(54, true), header.getUint16(56, true)];
  const table = read(file, number64(header, 32), entryBytes * count);
  return Array.from(
    { length: count },
    (_, i) => new DataView(table.buffer, i * entryBytes, entryBytes),
  );
}

function readInterpreter(file: Deno.FsFile, header: DataView): string | undefined {
  const entry = programHeaders(file, header).find((one) => one.getUint32(0, true) === PT_INTERP);
  if (entry === undefined) return undefined;
  return textAt(read(file, number64(entry, 8), number64(entry, 32)), 0);
}

function readSections(file: Deno.FsFile, header: DataView): Section[] {
  const [entryBytes, count] = [header.getUint16(58, true), header.getUint16(60, true)];
  const table = read(file, number64(header, 40), entryBytes * count);
  return Array.from({ length: count }, (_, i) => {
    const at = i * entryBytes;
    return {
      name: table.getUint32(at, true),
      type: table.getUint32(at + 4, true),
      offset: number64(table, at + 24),
      size: number64(table, at + 32),
      link: table.getUint32(at + 40, true),
    };
  });
}

/** Names in a chain of Verneed with Vernaux (16 bytes each), or of Verdef (20 bytes) with Verdaux. */
function readVersions(table: DataView, texts: DataView, isNeeded: boolean): string[] {
  const names: string[] = [];
  const [auxOffset, nextOffset] = isNeeded ? [8, 12] : [12, 16];
  for (let at = 0;;) {
    // A definition's further names are its predecessors, defined elsewhere in the chain.
    const count = isNeeded ? table.getUint16(at + 2, true) : 1;
    let aux = at + table.getUint32(at + auxOffset, true);
    for (let i = 0; i < count; i++) {
      names.push(textAt(texts, table.getUint32(aux + (isNeeded ? 8 : 0), true)));
      aux += isNeeded ? table.getUint32(aux + 12, true) : 0;
    }
    const next = table.getUint32(at + nextOffset, true);
    if (next === 0) return names;
    at += next;
  }
}

/** @throws {RangeError} there are not that many bytes */
function read(
  file: Deno.FsFile,
  offset: number,
  length: number,
  lengthMax = TABLE_BYTES_MAX,
): DataView {
  if (length > lengthMax) throw new RangeError("too large");
  const bytes = new Uint8Array(length);
  file.seekSync(offset, Deno.SeekMode.Start);
  for (let done = 0; done < length;) {
    const count = file.readSync(bytes.subarray(done));
    if (count === null) throw new RangeError("the file ends");
    done += count;
  }
  return new DataView(bytes.buffer);
}

function number64(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
}

/** A NUL-ended text. */
function textAt(view: DataView, at: number): string {
  const bytes = new Uint8Array(view.buffer, at);
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}
