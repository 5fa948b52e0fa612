/** Sends the traced request for once, and compares what came of it with what the trace says. */
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Status } from '#api/machinery/status.ts';
import { runRemoteCommand } from '#client/transport/remote-command.ts';
import type { Hop } from '#network/trace/hop.ts';
import type { Question } from '#network/trace/known.ts';
import type { ClusterApi } from './cluster-api.ts';

const LONGEST_MS = 5_000;

/** What was answered, or why nothing was. */
export interface Sent {
  code?: number;
  problem?: string;
}

export async function sent({ url, from }: Question, cluster: ClusterApi, signal: AbortSignal): Promise<Sent> {
  if (from.type === 'pod') return fromPod(url, from, { cluster, signal });
  if (from.type === 'node') return { problem: 'a request can be sent from this machine or from a pod' };
  return fromHere(url);
}

function fromHere(url: URL): Promise<Sent> {
  const isLocal = url.hostname.endsWith('.localhost');
  // Not every resolver knows RFC 6761.
  const at = isLocal ? { host: '127.0.0.1', headers: { host: url.host }, servername: url.hostname } : {};
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

/** With what is in most images; a pod that has none of it cannot be asked. */
async function fromPod(
  url: URL,
  { namespace, name }: { namespace: string; name: string },
  { cluster, signal }: { cluster: ClusterApi; signal: AbortSignal },
): Promise<Sent> {
  const command = ['wget', '-S', '-T', '5', '-O', '/dev/null', '--', url.href];
  const query = new URLSearchParams([
    ...command.map((word): [string, string] => ['command', word]),
    ['stdout', '1'],
    ['stderr', '1'],
  ]);
  let text = '';
  const take = (chunk: Uint8Array) => {
    if (text.length < 16_384) text += Buffer.from(chunk).toString('utf8');
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
  const codes = [...text.matchAll(/HTTP\/[\d.]+ (\d{3})/g)].map(([, code]) => Number(code));
  const [first] = codes;
  if (first !== undefined) return { code: first };
  if (status.status === 'Success') return { code: 200 };
  const said = text.trim().split('\n').at(-1) || status.message || 'no answer';
  return { problem: /not found|no such file/i.test(said) ? 'the pod has no wget to send it with' : said };
}

/** The request as the last hop. An answer of the Ingress itself (503 without endpoints, 404) is one that breaks. */
export function requestHop({ code, problem }: Sent, isBroken: boolean): Hop {
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
