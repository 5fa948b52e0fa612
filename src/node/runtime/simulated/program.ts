/** What a simulated container does. */
export interface Program {
  /** undefined: until it is stopped. */
  runsForMs?: number;
  exitCode?: number;
  stdout?: string;
  stderr?: string;
  /** Starting it fails with this text. */
  startError?: string;
  /** What TERM does: ends it with 143 (the default), with 0, or nothing. */
  onTerm?: 'exit' | 'ignore';
  exec?: (command: string[]) => Program | undefined;
}

/** The few commands that tests use: sleep N, true, false, echo, and `sh -c` with echo and exit separated by `;`. */
export function programOf([command = '', ...args]: string[]): Program {
  switch (command.split('/').at(-1)) {
    case 'sleep':
      return { runsForMs: Number(args[0]) * 1000 };
    case 'true':
      return { runsForMs: 0 };
    case 'false':
      return { runsForMs: 0, exitCode: 1 };
    case 'echo':
      return { runsForMs: 0, stdout: `${args.join(' ')}\n` };
    case 'sh':
      return (args[1] ?? '').split(';').map(statement).reduce(following, { runsForMs: 0 });
    default:
      return {};
  }
}

function statement(text: string): Program {
  const words = text.trim().split(/\s+/);
  if (words[0] === 'exit') return { runsForMs: 0, exitCode: Number(words[1]) };
  if (words.at(-1) !== '>&2') return programOf(words);
  const { stdout, ...rest } = programOf(words.slice(0, -1));
  return { ...rest, stderr: stdout ?? '' };
}

const following = (before: Program, after: Program): Program => ({
  ...after,
  runsForMs: after.runsForMs === undefined ? undefined : (before.runsForMs ?? 0) + after.runsForMs,
  stdout: (before.stdout ?? '') + (after.stdout ?? ''),
  stderr: (before.stderr ?? '') + (after.stderr ?? ''),
});
