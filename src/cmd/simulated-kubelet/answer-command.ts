/** Exec and attach: what the data says that a command answers, over WebSocket or SPDY/3.1. */
import { once } from 'node:events';
import type { Pod } from '#api/generated/schema.ts';
import { SpdyConnection, type SpdyStream } from '#client/transport/spdy/connection.ts';
import { CHANNEL, channelProtocols, codecFor } from '#node/kubelet/server/channel-protocol.ts';
import { HttpError } from '#node/kubelet/server/http-error.ts';
import { acceptWebSocket, type UpgradeRequest } from '#node/kubelet/server/web-sockets.ts';
import { answerTo, behaviourOf } from '#node/simulated/pod-behaviour.ts';
import type { OnNode } from './on-node.ts';

export interface CommandRequest {
  what: 'exec' | 'attach';
  container: string;
  query: URLSearchParams;
}

interface Answer {
  stdout: Buffer;
  stderr: Buffer;
  /** A Status, as JSON. */
  status: Buffer;
}

const NORMAL_CLOSURE = 1000;
const NOT_FOUND = 127; // as a shell
const SPDY_PROTOCOLS = ['v4.channel.k8s.io', 'v3.channel.k8s.io', 'v2.channel.k8s.io'];

/** Resolves when it is over. @throws HttpError before anything is answered */
export async function answerCommand(
  request: CommandRequest,
  upgrade: UpgradeRequest,
  { pod, node }: { pod: Pod; node: OnNode },
): Promise<void> {
  const status = pod.status?.containerStatuses?.find(({ name }) => name === request.container);
  if (!status?.state?.running) throw new HttpError(500, `container not found ("${request.container}")`);
  const answer = answerOf(request, pod, node);
  const isWebSocket = upgrade.request.headers.upgrade?.toLowerCase() === 'websocket';
  await (isWebSocket ? overWebSocket(answer, upgrade) : overSpdy(answer, upgrade, request.query));
}

function answerOf({ what, query }: CommandRequest, pod: Pod, { member }: OnNode): Answer {
  const behaviour = behaviourOf(pod, member.rules);
  if (what === 'attach') return answer({ stdout: behaviour.logs ?? '' });
  const command = query.getAll('command');
  const said = answerTo(command, behaviour);
  if (said) return answer(said);
  const stderr = `simulated pod: nothing is said of what ${JSON.stringify(command.join(' '))} answers\n`;
  return answer({ stderr, exitCode: NOT_FOUND });
}

const answer = ({ stdout = '', stderr = '', exitCode = 0 }): Answer => ({
  stdout: Buffer.from(stdout),
  stderr: Buffer.from(stderr),
  status: Buffer.from(JSON.stringify(statusOf(exitCode))),
});

const statusOf = (exitCode: number) =>
  exitCode === 0
    ? { metadata: {}, status: 'Success' }
    : {
        metadata: {},
        status: 'Failure',
        message: `command terminated with non-zero exit code: exit status ${exitCode}`,
        reason: 'NonZeroExitCode',
        details: { causes: [{ reason: 'ExitCode', message: String(exitCode) }] },
      };

async function overWebSocket({ stdout, stderr, status }: Answer, upgrade: UpgradeRequest): Promise<void> {
  const { client, protocol } = await acceptWebSocket(upgrade, channelProtocols);
  client.on('error', () => client.terminate());
  const codec = codecFor(protocol);
  const send = (channel: number, data: Buffer) => client.send(codec.encode(channel, data));
  send(CHANNEL.stdout, Buffer.alloc(0)); // tells the client that it is connected
  if (stdout.length > 0) send(CHANNEL.stdout, stdout);
  if (stderr.length > 0) send(CHANNEL.stderr, stderr);
  send(CHANNEL.error, codec.statusAsJson ? status : failureOf(status));
  const gone = once(client, 'close');
  client.close(NORMAL_CLOSURE);
  client.resume();
  await gone;
}

function failureOf(status: Buffer): Buffer {
  const { message = '' } = JSON.parse(status.toString()) as { message?: string };
  return Buffer.from(message);
}

/** The client opens a stream for each that it wants; the answer goes out when all of them are there. */
async function overSpdy(
  { stdout, stderr, status }: Answer,
  { request, socket, head }: UpgradeRequest,
  query: URLSearchParams,
): Promise<void> {
  const offered = [request.headers['x-stream-protocol-version'] ?? ''].flat().flatMap((text) => text.split(/,\s*/));
  const protocol = SPDY_PROTOCOLS.find((one) => offered.includes(one));
  if (request.headers.upgrade?.toLowerCase() !== 'spdy/3.1' || !protocol)
    throw new HttpError(403, `unable to upgrade: unable to negotiate protocol: client supports [${offered.join(' ')}]`);
  const is = (name: string) => ['1', 'true'].includes(query.get(name) ?? '');
  const wanted = ['error', ...['input', 'output', 'error'].filter(is).map((name) => STREAM_TYPES[name]!)];
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\nConnection: Upgrade\r\nX-Stream-Protocol-Version: ${protocol}\r\n\r\n`,
  );
  if (head.length > 0) socket.unshift(head);
  const streams = new Map<string, SpdyStream>();
  const connection = new SpdyConnection(socket, {
    side: 'server',
    onStream(stream) {
      stream.resume();
      streams.set(stream.headers.get('streamtype') ?? '', stream);
      if (!wanted.every((type) => streams.has(type)) || streams.get('stdout')?.writableEnded) return;
      streams.get('stdout')?.end(stdout);
      streams.get('stderr')?.end(stderr);
      const said = protocol.startsWith('v4') ? status : failureOf(status);
      streams.get('error')?.end(said, () => socket.end());
    },
  });
  await connection.closed;
}

const STREAM_TYPES: Readonly<Record<string, string>> = { input: 'stdin', output: 'stdout', error: 'stderr' };
