/**
 * Programs of the machine, begun by small processes that stay. To begin one out of a process as large as the kubelet costs
 * that one some 5 ms, in which it does nothing else; a shell of 1 MB does it in a tenth of that.
 */
import { type ChildProcessWithoutNullStreams, execFile, spawn } from 'node:child_process';

export interface Ended {
  /** 127: there is no such program. */
  code: number;
  /** Both of its outputs, without white space at their end. */
  said: string;
}

/** Reads how many words, and the words, one a line; writes what was said and, after a sign of its own, the exit code. */
const LOOP = `while IFS= read -r n; do
  set --
  while [ "$n" -gt 0 ]; do IFS= read -r word || exit 0; set -- "$@" "$word"; n=$((n - 1)); done
  said=$("$@" 2>&1 </dev/null); code=$?
  printf '%s\\036%s\\n' "$said" "$code"
done`;
/** ASCII's record separator; `LOOP` writes it. */
const SIGN = String.fromCharCode(0o36);
const END = new RegExp(`${SIGN}(\\d+)\\n$`);
const MOST_SAID = 64 * 1024;
/** What takes long keeps one to itself; beyond these a program is begun by the kubelet itself, which always can. */
const MOST = 4;

interface Shell {
  child: ChildProcessWithoutNullStreams;
  /** Of the program under way. */
  ended: ((ended: Ended | undefined) => void) | undefined;
  said: string;
}

export class SmallShells {
  readonly #idle: Shell[] = [];
  readonly #all = new Set<Shell>();
  readonly #spawnShell: typeof spawnShell;

  constructor(spawning = spawnShell) {
    this.#spawnShell = spawning;
  }

  /** Resolves however it ends. Rejects if nobody can tell how it ended, with a `code`. */
  async run(program: string, args: readonly string[]): Promise<Ended> {
    const words = [program, ...args];
    const shell = words.some((word) => /[\n\0]/.test(word)) ? undefined : this.#take();
    if (!shell) return runItself(program, args);
    const ended = await new Promise<Ended | undefined>((resolve) => {
      shell.ended = resolve;
      shell.said = '';
      hold(shell, true);
      shell.child.stdin.write(`${words.length}\n${words.join('\n')}\n`);
    });
    if (ended) return ended;
    throw Object.assign(new Error(`the shell that ran ${program} has gone`), { code: 'ESRCH' });
  }

  /** Those that have nothing to do end. */
  close(): void {
    for (const shell of this.#idle.splice(0)) {
      this.#all.delete(shell);
      shell.child.stdin.end();
    }
  }

  #take(): Shell | undefined {
    const idle = this.#idle.pop();
    if (idle || this.#all.size >= MOST) return idle;
    return this.#begin();
  }

  /** undefined: there are too many processes, or files, for another one that stays. */
  #begin(): Shell | undefined {
    const child = this.#spawnShell();
    const shell: Shell = { child, ended: undefined, said: '' };
    child.on('error', () => this.#forget(shell)).once('close', () => this.#forget(shell));
    if (child.pid === undefined) return undefined; // it may have no pipes, either
    this.#all.add(shell);
    child.stderr.resume();
    child.stdin.on('error', () => undefined); // its end is told above
    child.stdout.setEncoding('utf8').on('data', (text: string) => this.#hear(shell, text));
    return shell;
  }

  #forget(shell: Shell): void {
    this.#all.delete(shell);
    const at = this.#idle.indexOf(shell);
    if (at >= 0) this.#idle.splice(at, 1);
    shell.ended?.(undefined);
    shell.ended = undefined;
  }

  #hear(shell: Shell, text: string): void {
    shell.said = (shell.said + text).slice(-MOST_SAID);
    const end = END.exec(shell.said);
    if (!end) return;
    const { ended } = shell;
    shell.ended = undefined;
    hold(shell, false);
    this.#idle.push(shell);
    ended?.({ code: Number(end[1]), said: shell.said.slice(0, end.index).trimEnd() });
  }
}

const spawnShell = (): ChildProcessWithoutNullStreams => spawn('sh', ['-c', LOOP], { stdio: ['pipe', 'pipe', 'pipe'] });

/** One with nothing to do keeps no process that has nothing else to do: without its pipes it ends by itself. */
function hold({ child }: Shell, isHeld: boolean): void {
  for (const each of [child, child.stdin, child.stdout, child.stderr] as { ref?(): void; unref?(): void }[])
    if (isHeld) each.ref?.();
    else each.unref?.();
}

function runItself(program: string, args: readonly string[]): Promise<Ended> {
  return new Promise((resolve, reject) => {
    execFile(program, [...args], (error, stdout, stderr) => {
      if (error && typeof error.code !== 'number') reject(error);
      else resolve({ code: Number(error?.code ?? 0), said: (stdout + stderr).trimEnd() });
    });
  });
}
