/** Runs the nft command: one atomic transaction a call. Source: nft(8). */
import { spawn } from 'node:child_process';

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
