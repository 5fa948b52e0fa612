/** Asks one program for passwords. Source: API reference, "Kubelet CredentialProvider (v1)". */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Clock } from '#base/clock.ts';
import { goDurationMs } from '#api/machinery/go-duration.ts';
import { type CredentialProvider, PROTOCOL } from '#api/kubelet-config/credential-provider-config.ts';

export interface PluginRequest {
  image: string;
  serviceAccountToken?: string;
  serviceAccountAnnotations?: Record<string, string>;
}

export interface PluginAnswer {
  cacheKeyType: 'Image' | 'Registry' | 'Global';
  /** undefined: the provider's own. */
  cacheMs: number | undefined;
  /** By what the images look like for which they are. */
  auth: ReadonlyMap<string, { username: string; password: string }>;
}

export class PluginFailed extends Error {}

const PATIENCE_MS = 60_000;
const MOST_BYTES = 1 << 20;

export interface PluginRun {
  /** The folder of the programs. */
  folder: string;
  clock: Clock;
}

/** Throws PluginFailed, never with what the program wrote to its output: passwords stand there. */
export async function runCredentialPlugin(
  { name, args, env }: CredentialProvider,
  request: PluginRequest,
  { folder, clock }: PluginRun,
): Promise<PluginAnswer> {
  const child = spawn(join(folder, name), [...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true, // a group of its own, which can be ended as a whole
    env: { ...process.env, ...Object.fromEntries(env.map((each) => [each.name, each.value])) },
  });
  const late = clock.timer(PATIENCE_MS, () => endGroup(child));
  const [out, err] = [gathered(child.stdout), gathered(child.stderr)];
  child.stdin.on('error', () => undefined); // it may end without reading; its exit code tells
  child.stdin.end(`${JSON.stringify({ kind: 'CredentialProviderRequest', apiVersion: PROTOCOL, ...request })}\n`);
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', (cause) => reject(new PluginFailed(cause.message, { cause })));
      child.once('close', resolve);
    });
    if (code === null) throw new PluginFailed(`error execing credential provider plugin ${name}: it took too long`);
    if (code !== 0) {
      throw new PluginFailed(
        `error execing credential provider plugin ${name}: exit status ${code}: ${err().slice(0, 1_000)}`,
      );
    }
    return answerOf(out());
  } finally {
    late.cancel();
  }
}

/** Whatever it has begun may hold its output open, which is waited for. */
function endGroup({ pid, stdout, stderr }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // all of it has just ended
  }
  stdout?.destroy();
  stderr?.destroy();
}

function gathered(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= MOST_BYTES) chunks.push(chunk);
  });
  return () => Buffer.concat(chunks).toString('utf8');
}

function answerOf(text: string): PluginAnswer {
  let answer: Record<string, unknown>;
  try {
    answer = JSON.parse(text) as Record<string, unknown>;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new PluginFailed('error decoding credential provider plugin response from stdout: it is not JSON');
  }
  const { kind, apiVersion, cacheKeyType, cacheDuration, auth } = answer;
  if (kind !== 'CredentialProviderResponse') {
    throw new PluginFailed(
      `failed to unmarshal credential provider response with kind ${JSON.stringify(kind ?? '')}: expected "CredentialProviderResponse"`,
    );
  }
  if (apiVersion !== PROTOCOL) {
    throw new PluginFailed(
      `apiVersion from credential plugin response did not match expected apiVersion:${PROTOCOL}, actual apiVersion:${String(apiVersion)}`,
    );
  }
  if (cacheKeyType !== 'Image' && cacheKeyType !== 'Registry' && cacheKeyType !== 'Global') {
    throw new PluginFailed(
      `credential provider plugin did not return a valid cacheKeyType: ${JSON.stringify(cacheKeyType ?? '')}`,
    );
  }
  const cacheMs =
    cacheDuration === undefined || cacheDuration === null ? undefined : goDurationMs(String(cacheDuration)).ms;
  return { cacheKeyType, cacheMs, auth: authOf(auth) };
}

function authOf(auth: unknown): PluginAnswer['auth'] {
  const found = new Map<string, { username: string; password: string }>();
  if (typeof auth !== 'object' || auth === null) return found;
  for (const [pattern, entry] of Object.entries(auth as Record<string, unknown>)) {
    const { username, password } = (entry ?? {}) as Record<string, unknown>;
    if (typeof username === 'string' && typeof password === 'string') found.set(pattern, { username, password });
  }
  return found;
}
