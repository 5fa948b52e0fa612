/**
 * A pod `talker` on a node whose kubelet is this file: it answers exec, attach, port-forward and logs as a kubelet does, and
 * runs a few words instead of programs; but `tar`, `test` and `sh` are this machine's, in a folder of its own. For clients whose
 * way to the container is what is tested, not the container.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { SpdyConnection, type SpdyStream } from '#client/transport/spdy/connection.ts';
import { kubeletServerIdentity } from '#cmd/pki/cluster-identities.ts';
import type { HttpsApiServer } from '../integration/https-api-server.ts';

const [STDIN, STDOUT, STDERR, STATUS, CLOSE] = [0, 1, 2, 3, 255] as const;
/** Programs in `bin` of its folder stand before the machine's. */
const OF_THIS_MACHINE: ReadonlySet<string> = new Set(['tar', 'test', 'sh']);
const NODE = 'talking-node';
const START_MS = 20;
const PROTOCOLS = ['v5.channel.k8s.io', 'v4.channel.k8s.io'];
/** What its two containers have written. */
const LINES = ['one', 'two', 'three'];

export interface TalkingPod {
  /** Where its `tar`, `test` and `sh` run. */
  folder: string;
  /** Port-forwards come over SPDY where it takes that, else over a WebSocket. */
  manners: { takesSpdy: boolean };
  /** Ends what was upgraded, as a node does whose pod goes. */
  hangUp(): void;
  [Symbol.asyncDispose](): Promise<void>;
}

/** `namespace` must be there. Its containers are `main` and `side`. */
export async function startTalkingPod(server: HttpsApiServer, namespace: string): Promise<TalkingPod> {
  const folder = mkdtempSync(join(tmpdir(), 'talker-'));
  const manners = { takesSpdy: true };
  const upgraded = new Set<Duplex>();
  const kubelet = await listen(server, { folder, upgraded, takesSpdy: () => manners.takesSpdy });
  const { port } = kubelet.address() as AddressInfo;
  const { client } = server.api.loopback;
  // Nobody else's pod comes here: it would never run.
  const taints = [{ key: 'talks', effect: 'NoSchedule' }];
  await client.create(Node, { metadata: { name: NODE }, spec: { unschedulable: true, taints } } as never);
  const addresses = [{ type: 'InternalIP', address: '127.0.0.1' }];
  const status = { addresses, daemonEndpoints: { kubeletEndpoint: { Port: port } } };
  await client.patch(Node, { name: NODE, subresource: 'status' }, { type: 'merge', patch: { status } });
  const names = ['main', 'side'];
  const containers = names.map((name) => ({ name, image: 'talker' }));
  await client.create(Pod, {
    metadata: { name: 'talker', namespace, labels: { app: 'talker' } },
    spec: { nodeName: NODE, containers },
  } as never);
  const startedAt = '2026-01-01T00:00:00Z';
  const containerStatuses = names.map((name) => ({
    name,
    ready: true,
    restartCount: 0,
    image: 'talker',
    imageID: '',
    containerID: `containerd://${name}`,
    state: { running: { startedAt } },
  }));
  const conditions = [{ type: 'Ready', status: 'True', lastTransitionTime: startedAt }];
  const podStatus = { phase: 'Running', conditions, containerStatuses };
  const at = { name: 'talker', namespace, subresource: 'status' };
  await client.patch(Pod, at, { type: 'merge', patch: { status: podStatus } });
  return {
    folder,
    manners,
    hangUp() {
      for (const socket of upgraded) socket.destroy();
    },
    async [Symbol.asyncDispose]() {
      rmSync(folder, { recursive: true, force: true });
      kubelet.closeAllConnections();
      await new Promise((resolve) => kubelet.close(resolve));
    },
  };
}

interface Kubelet {
  folder: string;
  upgraded: Set<Duplex>;
  takesSpdy(): boolean;
}

async function listen({ pki }: HttpsApiServer, { folder, upgraded, takesSpdy }: Kubelet): Promise<Server> {
  const identity = kubeletServerIdentity(NODE, ['127.0.0.1']);
  const { certificate, key } = pki.issueServer(NODE, identity);
  const kubelet = createServer({ cert: certificate, key }, (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'https://kubelet');
    const container = pathname.split('/').at(-1);
    const lines = LINES.map((line) => `${container} ${line}\n`);
    const tail = searchParams.get('tailLines');
    response.writeHead(200, { 'content-type': 'text/plain' });
    response.end((tail === null ? lines : lines.slice(lines.length - Number(tail))).join(''));
  });
  const sockets = new WebSocketServer({
    noServer: true,
    handleProtocols: (offered) => PROTOCOLS.find((each) => offered.has(each)) ?? false,
  });
  kubelet.on('upgrade', (request, socket, head) => {
    upgraded.add(socket);
    socket.once('close', () => upgraded.delete(socket));
    if (request.headers.upgrade === 'SPDY/3.1') return answerSpdy(socket, takesSpdy());
    const { pathname, searchParams } = new URL(request.url ?? '/', 'https://kubelet');
    sockets.handleUpgrade(request, socket, head, (client) => {
      const words = pathname.startsWith('/attach/') ? ['attached'] : searchParams.getAll('command');
      if (pathname.startsWith('/portForward/')) return answerPort(client, Number(searchParams.get('port')));
      if (OF_THIS_MACHINE.has(words[0] ?? '')) return runHere(client, words, folder);
      // A program takes a moment to start: nothing is said in one breath with the answer to the upgrade.
      const input = new Input(client);
      setTimeout(() => run(client, input, words), START_MS);
    });
  });
  await new Promise<void>((resolve) => kubelet.listen(0, '127.0.0.1', resolve));
  return kubelet;
}

/** What has come on standard input, also before anybody looked. */
class Input {
  text = '';
  isOver = false;
  changed: () => void = () => undefined;

  constructor(client: WebSocket) {
    client.on('message', (data: Buffer) => {
      if (data[0] === STDIN) this.text += data.subarray(1).toString('utf8');
      this.isOver ||= data[0] === CLOSE;
      this.changed();
    });
  }
}

/** `echo …`, `warn …` on the other output, `exit N`, `cat` until its input ends, `attached` one line of it. */
function run(client: WebSocket, input: Input, [program = '', ...words]: readonly string[]): void {
  const say = (channel: number, text: string) => client.send(Buffer.concat([Buffer.of(channel), Buffer.from(text)]));
  if (program === 'echo' || program === 'warn') {
    say(program === 'echo' ? STDOUT : STDERR, `${words.join(' ')}\n`);
    end(client, 0);
  } else if (program === 'exit') end(client, Number(words[0]));
  else if (program === 'cat' || program === 'attached') {
    input.changed = () => {
      if (!input.isOver && !(program === 'attached' && input.text.includes('\n'))) return;
      input.changed = () => undefined;
      say(STDOUT, input.text);
      end(client, 0);
    };
    input.changed();
  } else fail(client, `exec: ${JSON.stringify(program)}: executable file not found in $PATH`);
}

/** Port 81 has nobody; others say everything in capitals, and hang up after a full stop. */
function answerPort(client: WebSocket, port: number): void {
  const said = Buffer.alloc(2);
  said.writeUInt16LE(port);
  const say = (channel: number, data: Buffer) => client.send(Buffer.concat([Buffer.of(channel), data]));
  say(0, said);
  say(1, said);
  if (port === 81) {
    say(1, Buffer.from('connect: connection refused'));
    client.close();
    return;
  }
  client.on('message', (data: Buffer) => {
    const text = data.subarray(1).toString('utf8');
    say(0, Buffer.from(text.toUpperCase()));
    if (text.endsWith('.\n')) client.close();
  });
}

/** Port 81 has nobody; others say everything in capitals once they have heard all. */
function answerSpdy(socket: Duplex, isTaken: boolean): void {
  if (!isTaken) {
    socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
    return;
  }
  socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n');
  socket.write('X-Stream-Protocol-Version: portforward.k8s.io\r\n\r\n');
  const problems = new Map<string, SpdyStream>();
  new SpdyConnection(socket, {
    side: 'server',
    onStream(stream) {
      const id = stream.headers.get('requestid') ?? '';
      if (stream.headers.get('streamtype') === 'error') {
        problems.set(id, stream);
        return;
      }
      const isRefused = stream.headers.get('port') === '81';
      if (isRefused) stream.end();
      else answerWhole(stream);
      problems.get(id)?.end(isRefused ? 'connect: connection refused' : '');
    },
  });
}

function answerWhole(stream: SpdyStream): void {
  let text = '';
  stream.on('data', (chunk) => {
    text += chunk;
  });
  stream.once('end', () => stream.end(text.toUpperCase()));
}

/** A program of this machine. */
function runHere(client: WebSocket, [program = '', ...words]: readonly string[], cwd: string): void {
  const env = { ...process.env, PATH: `${join(cwd, 'bin')}:${process.env['PATH']}` };
  const child = spawn(program, words, { cwd, env, stdio: 'pipe' });
  child.stdout.on('data', (data: Buffer) => client.send(Buffer.concat([Buffer.of(STDOUT), data])));
  child.stderr.on('data', (data: Buffer) => client.send(Buffer.concat([Buffer.of(STDERR), data])));
  child.stdin.on('error', () => undefined); // it ended without reading
  client.on('message', (data: Buffer) => {
    if (data[0] === STDIN) child.stdin.write(data.subarray(1));
    else if (data[0] === CLOSE) child.stdin.end();
  });
  child.once('close', (code) => end(client, code ?? 1));
}

function end(client: WebSocket, code: number): void {
  if (code === 0) {
    finish(client, { metadata: {}, status: 'Success' });
    return;
  }
  finish(client, {
    metadata: {},
    status: 'Failure',
    message: `command terminated with non-zero exit code: exit code ${code}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(code) }] },
  });
}

const fail = (client: WebSocket, message: string): void =>
  finish(client, {
    metadata: {},
    status: 'Failure',
    message: `Internal error occurred: ${message}`,
    reason: 'InternalError',
    details: { causes: [{ message }] },
    code: 500,
  });

function finish(client: WebSocket, status: object): void {
  client.send(Buffer.concat([Buffer.of(STATUS), Buffer.from(JSON.stringify(status))]));
  client.close(1000);
}

/** What comes back when `text` and an end are said to a port of this machine. */
export const spoken = (port: number, text: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    let heard = '';
    socket.on('data', (data) => {
      heard += data;
    });
    socket.once('error', reject);
    socket.once('close', () => resolve(heard));
    socket.end(text);
  });
