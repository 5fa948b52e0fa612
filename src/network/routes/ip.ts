/** Runs a batch of the ip command. Source: ip(8), "-batch", "-force". */
import { spawn } from 'node:child_process';

export interface IpOutcome {
  stdout: string;
  /** Empty when every line was done. */
  complaint: string;
}

/** Every line is tried, whatever became of those before it. */
export type RunIp = (lines: readonly string[], family?: 'ipv4' | 'ipv6') => Promise<IpOutcome>;

const MOST_COMPLAINT = 4096;

export const runIp: RunIp = (lines, family = 'ipv4') =>
  new Promise((resolve, reject) => {
    const child = spawn('ip', [family === 'ipv4' ? '-4' : '-6', '-json', '-force', '-batch', '-'], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let [stdout, complaint] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (complaint.length < MOST_COMPLAINT) complaint += text;
    });
    child.on('error', reject);
    child.on('close', (code) =>
      resolve({ stdout, complaint: code === 0 ? '' : complaint.trim() || `ip ended with ${code}` }),
    );
    child.stdin.on('error', () => undefined); // it ended before it had read everything: `close` tells why
    child.stdin.end(`${lines.join('\n')}\n`);
  });
