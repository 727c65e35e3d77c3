/** python3: compileall of a copy of the standard library, imports from it, shutil, zipfile and mmap on the mount. */
import { assert, assertEquals } from "@std/assert";
import { manifest } from "./manifest.ts";
import { isLong, testProgram } from "./scenario.ts";

/** The packages of the standard library taken along in the short version. */
const PACKAGES = [
  "asyncio",
  "collections",
  "concurrent",
  "email",
  "encodings",
  "html",
  "http",
  "importlib",
  "json",
  "logging",
  "multiprocessing",
  "sqlite3",
  "unittest",
  "urllib",
  "wsgiref",
  "xml",
  "xmlrpc",
  "zoneinfo",
];

/** Works on the copied library: compiled code is read back, then files are packed, mapped, moved and removed. */
const PROGRAM = `
import hashlib, importlib.util, mmap, os, pathlib, shutil, sys, tempfile, zipfile
sys.dont_write_bytecode = True
library = pathlib.Path("library")
for source in sorted(library.rglob("*.py")):
    compiled = importlib.util.cache_from_source(str(source))
    with open(compiled, "rb") as file: header = file.read(16)
    assert header[:4] == importlib.util.MAGIC_NUMBER, compiled
    assert int.from_bytes(header[12:16], "little") == source.stat().st_size, compiled
shutil.make_archive("packed", "zip", "library", "json")
with zipfile.ZipFile("packed.zip") as archive:
    assert archive.testzip() is None
    print(sorted(name for name in archive.namelist() if name.endswith(".py")))
shutil.copytree("library/json", "copy")
os.replace("copy", "moved")
with open("mapped", "w+b") as file:
    file.truncate(1 << 20)
    with mmap.mmap(file.fileno(), 0) as view:
        for offset in range(0, 1 << 20, 4096): view[offset:offset + 8] = offset.to_bytes(8, "big")
        view.flush()
print(hashlib.sha256(pathlib.Path("mapped").read_bytes()).hexdigest())
with tempfile.TemporaryDirectory(dir=".") as scratch, tempfile.TemporaryFile(dir=scratch) as unnamed:
    unnamed.write(b"x" * 10000); unnamed.seek(0); print(len(unnamed.read()), os.listdir(scratch))
shutil.rmtree("moved"); os.unlink("packed.zip"); os.unlink("mapped")
print(sorted(os.listdir(".")), os.statvfs(".").f_namemax)
`;

testProgram({
  name: "python3: compileall of the standard library",
  size: "1G",
  async perform(place) {
    const library =
      (await place.ok(["python3", "-c", "import sysconfig; print(sysconfig.get_path('stdlib'))"]))
        .trim();
    const taken = isLong() ? "." : `*.py ${PACKAGES.join(" ")}`;
    // Tests of the library, where they are installed, hold files that cannot be compiled.
    const excluded = ["__pycache__", "site-packages", "dist-packages", "test", "tests"].map((
      name,
    ) => `--exclude=${name}`).join(" ");
    await place.sh(
      `mkdir library; cd '${library}'; tar -c ${excluded} ${taken} | tar -x -C '${place.dir}/library'`,
    );
    await place.ok(["python3", "-m", "compileall", "-q", "-j", "2", "library"]);
    const compiled = await place.sh("find library -name '*.pyc' -printf '%p %m\\n' | sort");
    assert(compiled.split("\n").length > 400, "too little was compiled to be a test");
    const again = await place.ok(["python3", "-m", "compileall", "library/json"]);
    assertEquals(
      again.includes("Compiling"),
      false,
      "compileall does not trust the times of what it has compiled",
    );
    return {
      compiled,
      again,
      program: await place.ok(["python3", "-c", PROGRAM]),
      sources: (await manifest(`${place.dir}/library`, { withoutTimes: true })).split("\n")
        .filter((line) => !line.includes(".pyc")).join("\n"),
      imported: await place.ok([
        "python3",
        "-c",
        "import email.mime.text as m; print(m.__file__, m.__cached__)",
      ], {
        env: { PYTHONPATH: `${place.dir}/library` },
      }),
    };
  },
});
