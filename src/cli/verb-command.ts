/** A verb of the API's client as a command of the program: it reads its own arguments, as kubectl does. */
import { Command } from 'commander';
import type { CliContext } from './context.ts';
import type { ListedVerb } from './verbs/verbs.ts';
import type { Terminal, VerbIo } from './verbs/verb.ts';

export const verbCommand =
  (listed: ListedVerb) =>
  (context: CliContext): Command =>
    new Command(listed.name)
      .summary(listed.summary)
      .usage('… (see --help)')
      .allowUnknownOption()
      .helpOption(false)
      .argument('[arguments...]')
      .passThroughOptions()
      .action(async (args: string[]) => {
        const { runVerb } = await import('./verbs/run-verb.ts');
        process.exitCode = await runVerb(await listed.load(), args, ioOf(context));
      });

function ioOf({ clock, env }: CliContext): VerbIo {
  const interrupted = new AbortController();
  process.once('SIGINT', () => interrupted.abort());
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    async readAll() {
      const chunks: Buffer[] = [];
      for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
      return Buffer.concat(chunks).toString('utf8');
    },
    stdin: process.stdin,
    terminal: process.stdin.isTTY ? terminal : undefined,
    printsToTerminal: process.stdout.isTTY ?? false,
    env,
    folder: process.cwd(),
    clock,
    signal: interrupted.signal,
  };
}

const terminal: Terminal = {
  setRaw: (isRaw) => void process.stdin.setRawMode(isRaw),
  sizes(resize) {
    const tell = () => resize({ width: process.stdout.columns ?? 80, height: process.stdout.rows ?? 24 });
    tell();
    process.stdout.on('resize', tell);
    return () => process.stdout.off('resize', tell);
  },
};
