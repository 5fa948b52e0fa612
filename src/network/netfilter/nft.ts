/** Runs the nft command: one atomic transaction a call. Source: nft(8). */
import { execFile, spawn } from 'node:child_process';

/** The kernel or the nft command refused a transaction; nothing of it took effect. */
export class NftRefused extends Error {
  readonly code = 'NftRefused';
}

export type RunNft = (commands: readonly string[]) => Promise<void>;

export const runNft: RunNft = (commands) => runWithInput('nft', ['-f', '-'], `${commands.join('\n')}\n`);

function runWithInput(command: string, args: string[], input: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['pipe', 'ignore', 'pipe'] });
    let complaint = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (complaint.length < 4096) complaint += text;
    });
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0 ? resolve() : reject(new NftRefused(complaint.trim() || `${command} ended with ${code}`)),
    );
    child.stdin.on('error', () => undefined); // the child ended before it had read everything: `close` tells why
    child.stdin.end(input);
  });
}

/** A look into the kernel: whether a table, `ip kube-proxy`, has a chain. */
export type HasChain = (table: string, chain: string) => Promise<boolean>;

/** One that cannot be asked for counts as there: the next change tells. */
export const hasChain: HasChain = (table, chain) =>
  new Promise((resolve) => {
    execFile('nft', ['--terse', 'list', 'chain', ...table.split(' '), chain], { timeout: 10_000 }, (error, _, stderr) =>
      resolve(!error || !/No such file or directory/.test(stderr)),
    );
  });
