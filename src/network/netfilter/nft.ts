/** Runs the nft command: one atomic transaction a call. Source: nft(8). */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { endWith } from './end-with.ts';
import { runWithPieces } from './input-in-pieces.ts';
import { replacingBlock } from './table-block.ts';
import { type Difference, TableComparison, type TableContents } from './table-contents.ts';
import { turnOfOthers } from './turns.ts';
import { type Ended, runWithWholeInput } from './whole-input.ts';

/** The kernel or the nft command refused a transaction; nothing of it took effect. */
export class NftRefused extends Error {
  readonly code = 'NftRefused';
}

/** The nft command was ended before it said how its transaction went: the effect is not known. */
export class NftKilled extends Error {
  readonly code = 'NftKilled';

  constructor(signal: string) {
    super(`nft took too long or was killed (${signal}); whether the rules took effect is not known`);
  }
}

export type RunNft = (commands: readonly string[]) => Promise<void>;

/** After this the command is killed; a large transaction on a busy machine takes a second or two. */
const LONGEST_MS = 30_000;

export const NFT: readonly string[] = ['nft'];

/** @param options for tests: `command` is what is run instead, as an argument array. */
export async function runNft(
  commands: readonly string[],
  { longestMs = LONGEST_MS, command = NFT }: { longestMs?: number; command?: readonly string[] } = {},
): Promise<void> {
  const [program = '', ...args] = command;
  const input = `${commands.join('\n')}\n`;
  judge(await runWithWholeInput({ program, args: [...args, '-f', '-'], input, longestMs }));
}

/** Replaces a table, `ip kube-proxy`, by what these commands build, some of them at a time: at once or not at all. */
export type FillTable = (table: string, parts: Iterable<readonly string[]>) => Promise<void>;

/** nft reads them while they are made: each is about half of the work. */
export async function fillTable(
  table: string,
  parts: Iterable<readonly string[]>,
  longestMs = LONGEST_MS,
): Promise<void> {
  const pieces = replacingBlock(table, parts);
  judge(await runWithPieces({ program: 'nft', args: ['-f', '/dev/fd/0'], pieces, longestMs }));
}

function judge({ code, signal, complaint }: Ended): void {
  if (signal) throw new NftKilled(signal);
  if (code !== 0) throw new NftRefused(complaint || `nft ended with ${code}`);
}

/** A look into the kernel: whether a chain of a table, `ip kube-proxy`, is there and has rules. */
export type HasRules = (table: string, chain: string) => Promise<boolean>;

/** One that cannot be asked for counts as there: the next change tells. */
export const hasRules: HasRules = (table, chain) =>
  new Promise((resolve) => {
    const args = ['--terse', 'list', 'chain', ...table.split(' '), chain];
    execFile('nft', args, { timeout: 10_000 }, (error, listing, complaint) =>
      resolve(error ? !/No such file or directory/.test(complaint) : listsRules(listing)),
    );
  });

/** A look at all of a table: where it does not hold just what is wanted. */
export type FindDifferences = (
  table: string,
  wanted: TableContents,
  signal?: AbortSignal,
) => Promise<readonly Difference[]>;

/** One that cannot be asked for, or is ended by the signal, has none. */
export const findDifferences: FindDifferences = async (table, wanted, signal) => {
  const child: ChildProcess = spawn('nft', ['--stateless', 'list', 'table', ...table.split(' ')], {
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: LONGEST_MS,
    killSignal: 'SIGKILL',
  });
  const forget = endWith(signal, child);
  const ended = new Promise<number | null>((resolve) => {
    child.on('error', () => resolve(null));
    child.on('close', resolve);
  }).finally(forget);
  const comparison = new TableComparison(wanted);
  // Where too many files are open it has no streams.
  for await (const text of child.stdout?.setEncoding('utf8') ?? []) {
    comparison.read(text);
    await turnOfOthers();
  }
  return (await ended) === 0 ? comparison.differences : [];
};

/** Of `nft list chain`: a flushed chain still has its head, `type filter hook …; policy accept;`, and its comment. */
export function listsRules(listing: string): boolean {
  const lines = listing.split('\n').map((line) => line.trim());
  const start = lines.findIndex((line) => /^chain .*\{$/.test(line));
  const body = start < 0 ? [] : lines.slice(start + 1);
  return body.some((line) => line !== '' && line !== '}' && !/^(type \w+ hook |comment ")/.test(line));
}
