/** Commands of the mode `ipvs`, run to their end. */
import { type ChildProcess, spawn } from 'node:child_process';

/** @returns what it wrote; throws with its complaint when it did not end well. */
export type RunTool = (command: string, args: readonly string[], input?: string) => Promise<string>;

const LONGEST_MS = 60_000;
const MOST_COMPLAINT = 4096;

export const runTool: RunTool = (command, args, input = '') =>
  new Promise((resolve, reject) => {
    // Where too many files are open it has no streams.
    const child: ChildProcess = spawn(command, args, { timeout: LONGEST_MS, killSignal: 'SIGKILL' });
    const said: string[] = [];
    let complaint = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => said.push(text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      if (complaint.length < MOST_COMPLAINT) complaint += text;
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      // `ipvsadm --restore` goes on after a line that the kernel refuses, and ends with 0.
      if (code === 0 && complaint === '') resolve(said.join(''));
      else reject(new Error(`${command}: ${complaint.trim() || `ended with ${signal ?? code}`}`));
    });
    child.stdin?.on('error', () => undefined); // it ended before it had read everything: `close` tells why
    child.stdin?.end(input);
  });
