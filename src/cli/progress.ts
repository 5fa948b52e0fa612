/** Calm progress: one line for what is done, with the time it took; on a terminal also what is under way. */
import pc from 'picocolors';
import type { Clock } from '#base/clock.ts';

export interface Progress {
  /** Runs one step. Its result may bring a text that replaces the title when it is done. */
  step<T>(title: string, act: (tell: (text: string) => void) => Promise<T>): Promise<T>;
  /** A line of its own between steps. */
  say(text: string): void;
}

export interface ProgressOutput {
  isTTY?: boolean;
  write(text: string): unknown;
}

export function progressOn(output: ProgressOutput, clock: Clock): Progress {
  const clear = output.isTTY ? '\r\x1b[2K' : '';
  const doing = new Set<string>();
  const show = () => {
    if (output.isTTY && doing.size > 0) output.write(`${clear}${pc.dim(`… ${[...doing].join(', ')}`)}`);
  };
  const print = (line: string) => {
    output.write(`${clear}${line}\n`);
    show();
  };
  return {
    async step(title, act) {
      const startMs = clock.monotonicMs();
      let text = title;
      doing.add(title);
      show();
      const took = () => pc.dim(` (${((clock.monotonicMs() - startMs) / 1000).toFixed(1)} s)`);
      try {
        const result = await act((better) => {
          text = better;
        });
        doing.delete(title);
        print(`${pc.green('✓')} ${text}${took()}`);
        return result;
      } catch (error) {
        doing.delete(title);
        print(`${pc.red('✗')} ${title}${took()}`);
        throw error;
      }
    },
    say: print,
  };
}
