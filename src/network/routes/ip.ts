/** Runs batches of the commands ip and bridge. Source: ip(8) and bridge(8), "-batch", "-force". */
import { type ChildProcess, spawn } from 'node:child_process';

export interface IpOutcome {
  stdout: string;
  /** Empty when every line was done. */
  complaint: string;
}

/** Every line is tried, whatever became of those before it. */
export type RunIp = (lines: readonly string[], family?: 'ipv4' | 'ipv6') => Promise<IpOutcome>;
export type RunBridge = (lines: readonly string[]) => Promise<IpOutcome>;

const MOST_COMPLAINT = 4096;
const ALL_LINES = ['-json', '-force', '-batch', '-'];

export const runIp: RunIp = (lines, family = 'ipv4') =>
  batch('ip', [family === 'ipv4' ? '-4' : '-6', ...ALL_LINES], lines);

export const runBridge: RunBridge = (lines) => batch('bridge', ALL_LINES, lines);

function batch(program: string, args: readonly string[], lines: readonly string[]): Promise<IpOutcome> {
  return new Promise((resolve, reject) => {
    // Where too many files are open it has no streams.
    const child: ChildProcess = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    let [stdout, complaint] = ['', ''];
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      if (complaint.length < MOST_COMPLAINT) complaint += text;
    });
    child.on('error', reject);
    child.on('close', (code) =>
      resolve({ stdout, complaint: code === 0 ? '' : complaint.trim() || `${program} ended with ${code}` }),
    );
    child.stdin?.on('error', () => undefined); // it ended before it had read everything: `close` tells why
    child.stdin?.end(`${lines.join('\n')}\n`);
  });
}

/** What the lines of a batch show: a JSON array each, on a line of its own. */
export const shown = <T>(text: string): T[] =>
  text.split('\n').flatMap((line) => (line.startsWith('[') ? (JSON.parse(line) as T[]) : []));
