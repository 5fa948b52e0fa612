/**
 * Watches and logs over a WebSocket: an event or a piece of log is a message. Source: upstream's httpstream/wsstream.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { StatusError } from '#api/machinery/status.ts';
import { formOf } from '../registry/caches.ts';
import type { OpenedWatch } from '../verbs/watch.ts';

const BASE64 = 'base64.binary.k8s.io';
const PROTOCOLS = ['binary.k8s.io', BASE64];
/** Nothing is expected from the client. */
const MAX_PAYLOAD_BYTES = 64 * 1024;

const sockets = new WebSocketServer({
  noServer: true,
  maxPayload: MAX_PAYLOAD_BYTES,
  handleProtocols: (offered) => PROTOCOLS.find((protocol) => offered.has(protocol)) ?? false,
});

interface Upgrade {
  request: IncomingMessage;
  socket: Duplex;
  head: Buffer;
}

/** `chunks` fails before its first piece when the log is not to be had: then the upgrade is refused. */
export async function answerAsWebSocket(
  { request, socket, head }: Upgrade,
  answer: { watch: OpenedWatch } | { chunks: Promise<AsyncIterable<Buffer>> },
): Promise<void> {
  const messages = 'watch' in answer ? eventsOf(answer.watch) : await answer.chunks;
  const client = await new Promise<WebSocket>((opened) => sockets.handleUpgrade(request, socket, head, opened));
  client.on('error', () => client.terminate());
  const encode = client.protocol === BASE64 ? (bytes: Uint8Array) => Buffer.from(bytes).toString('base64') : undefined;
  const isText = 'watch' in answer;
  for await (const bytes of messages) {
    if (client.readyState !== client.OPEN) break;
    await sent(client, encode ? encode(bytes) : bytes, { binary: !isText && !encode });
  }
  client.close(1000);
}

const sent = (client: WebSocket, data: string | Uint8Array, options: { binary: boolean }): Promise<void> =>
  new Promise((resolve) => client.send(data, options, () => resolve())); // when it failed, `readyState` says so

async function* eventsOf({ kind, batches }: OpenedWatch): AsyncGenerator<Uint8Array> {
  const form = formOf(kind);
  try {
    for await (const batch of batches) for (const event of batch) yield event.frame(form);
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    yield Buffer.from(`${JSON.stringify({ type: 'ERROR', object: error.toStatus() })}\n`);
  }
}
