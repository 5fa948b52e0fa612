/**
 * Sends an image archive to nodes, wherever they are: PUT to each kubelet's API, through the API server's node proxy. Streamed:
 * neither end holds an archive in memory.
 */
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { pipeline } from 'node:stream/promises';
import { StatusError } from '#api/machinery/status.ts';
import { readKubeconfig } from '#client/transport/kubeconfig.ts';
import { type Transport, Unreachable } from '#client/transport.ts';
import { UserError } from './context.ts';
import { isReadyNode, listObjects, type NodeObject } from './local-api.ts';

/** An archive that can be read once for each node. */
export type Archive = () => AsyncIterable<Uint8Array>;

export interface Upload {
  api: Transport;
  kubeconfig: string;
  archive: Archive;
}

// On nodes that only pretend there is nothing to put an image on.
const SIMULATED_LABEL = 'kedge.dev/simulated';
const MOST_ANSWER_BYTES = 1 << 20;

/** Into every node that is ready. @returns their names. */
export async function uploadImage({ api, kubeconfig, archive }: Upload): Promise<string[]> {
  const nodes = (await listObjects<NodeObject>(api, '/api/v1/nodes')).filter(isReadyNode);
  const names = nodes
    .filter(({ metadata }) => !metadata.labels?.[SIMULATED_LABEL])
    .map(({ metadata }) => metadata.name);
  if (names.length === 0)
    throw new UserError('No node with real containers is ready; there is nowhere to put an image.');
  await Promise.all(names.map((name) => put(kubeconfig, `/api/v1/nodes/${name}/proxy/images`, archive())));
  return names;
}

async function put(kubeconfig: string, path: string, archive: AsyncIterable<Uint8Array>): Promise<void> {
  const { cluster, user } = readKubeconfig(kubeconfig);
  const text = (data: string | undefined) => (data ? Buffer.from(data, 'base64') : undefined);
  const outgoing = request(new URL(path, cluster.server), {
    method: 'PUT',
    agent: false,
    ca: text(cluster['certificate-authority-data']),
    cert: text(user['client-certificate-data']),
    key: text(user['client-key-data']),
    headers: { 'content-type': 'application/x-tar' },
  });
  const answered = new Promise<void>((resolve, reject) => {
    outgoing.once('error', (cause) => reject(new Unreachable(cause.message, { cause })));
    outgoing.once('response', (response) => resolve(heard(response)));
  });
  // A refusal may come before all is sent; then that is the reason, and not that the pipe broke.
  const [sent, answer] = await Promise.allSettled([pipeline(archive, outgoing), answered]);
  if (answer.status === 'rejected') throw answer.reason;
  if (sent.status === 'rejected') throw sent.reason;
}

/** Throws what the server refuses with, and Unreachable when its answer breaks off. */
async function heard(response: IncomingMessage): Promise<void> {
  let body = '';
  try {
    for await (const chunk of response) if (body.length < MOST_ANSWER_BYTES) body += chunk;
  } catch (cause) {
    throw new Unreachable(`the answer broke off: ${(cause as Error).message}`, { cause });
  }
  const code = response.statusCode ?? 500;
  if (code >= 300) throw errorOf(code, body);
}

function errorOf(code: number, body: string): Error {
  try {
    return StatusError.from({ ...JSON.parse(body), code });
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return new UserError(`${code}: ${body.trim()}`);
  }
}
