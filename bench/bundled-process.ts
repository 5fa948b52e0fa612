/** A file of this folder as a process of its own, bundled, that is spoken with by messages. */
import { type ChildProcess, type ForkOptions, fork } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bench } from './bench.ts';
import { bundle } from './bundled.ts';

export interface BundledProcess {
  pid: number;
  /** The first thing that it said. */
  greeting: unknown;
  /** Sends, and resolves with what it says next. Rejects when it says `{ failed }` or ends. */
  ask<T>(message: object): Promise<T>;
}

/** `inNetworkOf`: a process of this machine; undefined: ours. */
export async function startBundled(bench: Bench, entry: string, inNetworkOf?: number): Promise<BundledProcess> {
  const outfile = join(import.meta.dirname, '../.cache/bench', `${entry}-${process.pid}-${started++}.mjs`);
  bench.atEnd(() => rm(outfile, { force: true }));
  await bundle(entry, outfile);
  const options: ForkOptions = { serialization: 'advanced', execArgv: [] };
  const child =
    inNetworkOf === undefined
      ? fork(outfile, [], options)
      : fork('-n', [`--target=${inNetworkOf}`, process.execPath, outfile], { ...options, execPath: 'nsenter' });
  bench.atEnd(() => child.kill('SIGKILL'));
  const greeting = await nextOf(child, entry);
  return {
    pid: child.pid ?? 0,
    greeting,
    async ask<T>(message: object) {
      const reply = nextOf(child, entry);
      child.send(message);
      return (await reply) as T;
    },
  };
}
let started = 0;

async function nextOf(child: ChildProcess, entry: string): Promise<unknown> {
  const heard = new AbortController();
  const { signal } = heard;
  const ended = once(child, 'exit', { signal }).then(([code]) => {
    throw new Error(`${entry} ended with ${code}`);
  });
  ended.catch(() => undefined); // where it is heard of first
  const [reply] = await Promise.race([once(child, 'message', { signal }), ended]).finally(() => heard.abort());
  if (reply && typeof reply === 'object' && 'failed' in reply) throw new Error(`${entry}: ${String(reply.failed)}`);
  return reply;
}
