/** Sends the traced request for once, and compares what came of it with what the trace says. */
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Status } from '#api/machinery/status.ts';
import { runRemoteCommand } from '#client/transport/remote-command.ts';
import { type Hop, unknown } from '#network/trace/hop.ts';
import type { Question } from '#network/trace/known.ts';
import type { ClusterApi } from './cluster-api.ts';

const LONGEST_MS = 5_000;
const MOST_TEXT = 16_384;

/** What was answered, or why nothing was. */
export interface Sent {
  code?: number;
  problem?: string;
  /** Why it was not even sent. */
  unsent?: string;
}

export async function sent({ url, from }: Question, cluster: ClusterApi, signal: AbortSignal): Promise<Sent> {
  if (from.type === 'pod') return fromPod(url, from, { cluster, signal });
  if (from.type === 'node') return { unsent: 'a request can be sent from this machine or from a pod' };
  return fromHere(url);
}

function fromHere(url: URL): Promise<Sent> {
  const isLocal = url.hostname.endsWith('.localhost');
  // Not every resolver knows RFC 6761.
  const at = isLocal ? { hostname: '127.0.0.1', headers: { host: url.host }, servername: url.hostname } : {};
  return new Promise((resolve) => {
    const options = { ...at, agent: false as const, rejectUnauthorized: false, timeout: LONGEST_MS };
    const asked = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, options, (answer) => {
      resolve({ code: answer.statusCode ?? 0 });
      answer.destroy();
    });
    asked.on('timeout', () => asked.destroy(new Error('no answer within 5 s')));
    asked.on('error', (error: NodeJS.ErrnoException) => resolve({ problem: error.code ?? error.message }));
    asked.end();
  });
}

/** Programs that can send it, of which most images have one; each tells the code of the answer. */
const SENDERS: readonly ((url: string) => { command: string[]; code: RegExp })[] = [
  (url) => ({
    command: ['curl', '-sk', '-o', '/dev/null', '-m', '5', '-w', 'code %{http_code}', '--', url],
    code: /code ([1-5]\d\d)/,
  }),
  (url) => ({ command: ['wget', '-S', '-T', '5', '-O', '/dev/null', url], code: /HTTP\/[\d.]+ (\d{3})/ }),
  (url) => ({
    command: ['node', '-e', NODE_SENDER, url],
    code: /code (\d{3})/,
  }),
];
const NODE_SENDER =
  "fetch(process.argv[1],{redirect:'manual',signal:AbortSignal.timeout(5000)}).then(r=>console.log('code',r.status)," +
  'e=>{console.error(String(e.cause?.code??e));process.exit(1)})';

/** As shells and runtimes say that a program is not there, or that a signal ended it. */
const isNoSender = (status: Status): boolean =>
  /not found|no such file|exit code (12[67]|1[345]\d)/i.test(status.message ?? '');

async function fromPod(
  url: URL,
  { namespace, name }: { namespace: string; name: string },
  { cluster, signal }: { cluster: ClusterApi; signal: AbortSignal },
): Promise<Sent> {
  for (const sender of SENDERS) {
    const { command, code } = sender(url.href);
    const { status, text } = await executed(command, { namespace, name, cluster, signal });
    const [, found] = code.exec(text) ?? [];
    if (found !== undefined) return { code: Number(found) };
    if (status.status === 'Success') return { problem: 'it ended without an answer' };
    if (!isNoSender(status)) return { problem: text.trim().split('\n').at(-1) || (status.message ?? 'no answer') };
  }
  return { unsent: 'the pod has no curl, wget or node to send it with' };
}

interface Executing {
  namespace: string;
  name: string;
  cluster: ClusterApi;
  signal: AbortSignal;
}

async function executed(command: readonly string[], { namespace, name, cluster, signal }: Executing) {
  const query = new URLSearchParams(command.map((word): [string, string] => ['command', word]));
  query.set('stdout', 'true');
  query.set('stderr', 'true');
  let text = '';
  const take = (chunk: Uint8Array) => {
    if (text.length < MOST_TEXT) text += Buffer.from(chunk).toString('utf8');
  };
  const part = encodeURIComponent;
  const status: Status = await runRemoteCommand({
    endpoint: cluster.endpoint,
    headers: cluster.headers,
    path: `/api/v1/namespaces/${part(namespace)}/pods/${part(name)}/exec?${query}`,
    stdout: take,
    stderr: take,
    signal,
  });
  return { status, text };
}

/** The request as the last hop. An answer of the Ingress itself (503 without endpoints, 404) is one that breaks. */
export function requestHop({ code, problem, unsent }: Sent, isBroken: boolean): Hop {
  if (unsent !== undefined) return unknown('request', 'was not sent', unsent);
  if (code === undefined) {
    const why = isBroken
      ? `${problem}, as the trace says`
      : `${problem}, though nothing that can be seen is in its way`;
    return { at: 'request', state: 'breaks', says: 'was sent, and not answered', why };
  }
  const isWell = code < 500;
  const differs = isWell && isBroken ? ['an answer came all the same: see what the trace says breaks'] : [];
  return {
    at: 'request',
    state: isWell ? 'passes' : 'breaks',
    says: `was sent, and answered ${code}`,
    details: differs,
  };
}
