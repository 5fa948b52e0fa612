/** Runs iptables-restore and iptables-save: one atomic transaction a table and call. Source: iptables-restore(8). */
import { execFile } from 'node:child_process';
import type { IpFamily } from './ip-family.ts';
import { runWithWholeInput } from './whole-input.ts';

/** The kernel or the command refused a transaction. Tables that stand before the refused one took effect. */
export class IptablesRefused extends Error {
  readonly code = 'IptablesRefused';
}

const LONGEST_MS = 60_000;
/** Seconds to wait for another program that changes rules. */
const WAIT_FOR_LOCK = '10';
const MOST_LISTED = 64 << 20; // bytes

const program = (family: IpFamily, name: 'iptables' | 'iptables-restore' | 'iptables-save'): string =>
  family === 'ipv4' ? name : name.replace('ip', 'ip6');

export interface Iptables {
  /** The text as iptables-restore(8) reads it. Chains that it does not name stay as they are. */
  restore(text: string): Promise<void>;
  /** The rules of a table, as iptables-save(8) writes them. */
  save(table: string): Promise<string>;
  /** Whether a rule of a table is there: `-C CHAIN …`. */
  has(table: string, rule: readonly string[]): Promise<boolean>;
}

export const iptablesOf = (family: IpFamily): Iptables => ({
  restore: async (text) => {
    const run = { program: program(family, 'iptables-restore'), args: ['--noflush', '-w', WAIT_FOR_LOCK] };
    const { code, signal, complaint } = await runWithWholeInput({ ...run, input: text, longestMs: LONGEST_MS });
    if (code !== 0) throw new IptablesRefused(complaint || `iptables-restore ended with ${signal ?? code}`);
  },
  save: (table) =>
    new Promise((resolve, reject) => {
      const options = { timeout: LONGEST_MS, maxBuffer: MOST_LISTED };
      execFile(program(family, 'iptables-save'), ['-t', table], options, (error, listing) =>
        error ? reject(error) : resolve(listing),
      );
    }),
  has: (table, rule) =>
    new Promise((resolve) => {
      const args = ['-w', WAIT_FOR_LOCK, '-t', table, '-C', ...rule];
      execFile(program(family, 'iptables'), args, { timeout: LONGEST_MS }, (error) => resolve(!error));
    }),
});
