import { assertEquals } from "@std/assert";
import { othersPreloaded, withSettings } from "./accelerated.ts";
import { quoted } from "./env.ts";

Deno.test("what else is preloaded stays, in front of our library, which is named once", () => {
  assertEquals(othersPreloaded(undefined), []);
  assertEquals(othersPreloaded(" /a.so:/x/libbtfuse_preload.so b.so: "), ["/a.so", "b.so"]);
});

Deno.test("settings replace those of the same name and leave the others' bytes alone", () => {
  const encode = (text: string) => new TextEncoder().encode(text);
  const odd = new Uint8Array([0x41, 0x3d, 0xff, 0xfe]);
  const environment = [encode("LD_PRELOAD=/old"), odd, encode("LD_PRELOAD_X=1"), encode("none")];
  assertEquals(withSettings(environment, { LD_PRELOAD: "/new", B: "=ä" }), [
    odd,
    encode("LD_PRELOAD_X=1"),
    encode("none"),
    encode("LD_PRELOAD=/new"),
    encode("B==ä"),
  ]);
});

Deno.test("any text is one word for the shell", () => {
  assertEquals(quoted("/mnt/it's $HOME"), `'/mnt/it'\\''s $HOME'`);
});
