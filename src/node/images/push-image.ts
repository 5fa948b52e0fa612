/** Pushes an image to a registry of this machine. Source: OCI distribution specification 1.1, "Push". */
import { createReadStream } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { sha256 } from './blob-store.ts';
import type { Image } from './image.ts';

export interface PushTarget {
  /** `localhost:5000` */
  host: string;
  repository: string;
  tag: string;
}

export class PushRefused extends Error {
  readonly code = 'PushRefused';
}

const REFERENCE = /^([^/]+)\/(.+):([^/:]+)$/;

/** `localhost:5000/team/web:1`, a name that checkedName has passed. */
export function pushTarget(name: string): PushTarget {
  const [, host = '', repository = '', tag = ''] = REFERENCE.exec(name) ?? [];
  return { host, repository, tag };
}

const PATIENCE_MS = 60_000;
const MOST_ANSWER_BYTES = 64 << 10;

/** What the registry has already is not sent. @returns the digest under which it can be pulled. Throws PushRefused. */
export async function pushImage({ config, manifest, layers }: Image, target: PushTarget): Promise<string> {
  const { repository, tag } = target;
  for (const { digest, size, path } of layers)
    await pushBlob(target, { digest, size, content: () => createReadStream(path) });
  await pushBlob(target, { digest: sha256(config), size: config.length, content: () => Readable.from([config]) });
  const { mediaType } = JSON.parse(manifest.toString('utf8')) as { mediaType: string };
  const { headers } = await expectStatus(201, target, {
    method: 'PUT',
    path: `/v2/${repository}/manifests/${tag}`,
    headers: { 'content-type': mediaType, 'content-length': manifest.length },
    content: Readable.from([manifest]),
  });
  return String(headers['docker-content-digest'] ?? sha256(manifest));
}

async function pushBlob(
  target: PushTarget,
  { digest, size, content }: { digest: string; size: number; content: () => Readable },
): Promise<void> {
  const path = `/v2/${target.repository}/blobs`;
  const { status } = await ask(target, { method: 'HEAD', path: `${path}/${digest}` });
  if (status === 200) return;
  const { headers } = await expectStatus(202, target, { method: 'POST', path: `${path}/uploads/` });
  const at = new URL(headers.location ?? '', `http://${target.host}`);
  at.searchParams.set('digest', digest);
  await expectStatus(201, target, {
    method: 'PUT',
    path: `${at.pathname}${at.search}`,
    headers: { 'content-type': 'application/octet-stream', 'content-length': size },
    content: content(),
  });
}

interface Asked {
  method: string;
  path: string;
  headers?: Record<string, string | number>;
  content?: Readable;
}

interface Answer {
  status: number;
  headers: IncomingMessage['headers'];
  text: string;
}

async function expectStatus(status: number, target: PushTarget, asked: Asked): Promise<Answer> {
  const answer = await ask(target, asked);
  if (answer.status === status) return answer;
  throw new PushRefused(`the registry ${target.host} refused the image: ${reasonIn(answer)}`);
}

function reasonIn({ status, text }: Answer): string {
  try {
    const [error] = (JSON.parse(text) as { errors?: { code: string; message: string }[] }).errors ?? [];
    if (error) return `${error.message} (${error.code})`;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return `status ${status}`;
}

async function ask({ host }: PushTarget, { method, path, headers = {}, content }: Asked): Promise<Answer> {
  // The registry listens for IPv4: on ::1 anybody of this machine may have its port.
  const options = { method, path, headers, agent: false, timeout: PATIENCE_MS, family: 4 };
  const outgoing = request(`http://${host}`, options);
  outgoing.on('timeout', () => outgoing.destroy(new Error('it says nothing')));
  const answered = new Promise<Answer>((resolve, reject) => {
    outgoing.once('error', (cause) =>
      reject(new PushRefused(`the registry ${host} cannot be reached: ${cause.message}`, { cause })),
    );
    outgoing.once('response', (response) => resolve(heard(response)));
  });
  // An answer may come before the last is seen to be sent, and ends the connection: what it says counts, and not that.
  const [, answer] = await Promise.allSettled([pipeline(content ?? Readable.from([]), outgoing), answered]);
  if (answer.status === 'rejected') throw answer.reason;
  return answer.value;
}

async function heard(response: IncomingMessage): Promise<Answer> {
  let text = '';
  for await (const chunk of response) if (text.length < MOST_ANSWER_BYTES) text += chunk;
  return { status: response.statusCode ?? 500, headers: response.headers, text };
}
