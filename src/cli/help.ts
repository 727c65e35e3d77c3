/** `btfuse help` */
import { commands, findCommand } from "./commands.ts";

export const help = `usage: btfuse help [COMMAND]

Example: btfuse help mount`;

export async function run(args: string[]): Promise<number> {
  console.log(args.length === 0 ? overview() : (await findCommand(args[0]).load()).help);
  return 0;
}

export function overview(): string {
  const lines = Object.entries(commands).map(([name, entry]) =>
    `  ${name.padEnd(8)} ${entry.summary}`
  );
  return `usage: btfuse COMMAND [ARGUMENTS]
       btfuse NAME DIR -o OPTIONS     as mount(8) calls it, for type fuse.btfuse

${lines.join("\n")}

'btfuse COMMAND -h' explains a command.

Example:
  btfuse mount --size 1G /mnt/scratch
  btfuse status
  btfuse umount /mnt/scratch`;
}
