/** The paths that become connections: exec, attach and port-forward, over SPDY/3.1 or WebSocket. */
import { createWebSocketStream } from 'ws';
import type { Kubelet } from '../kubelet.ts';
import { channelProtocols } from './channel-protocol.ts';
import { HttpError } from './http-error.ts';
import { askRunning, findPod } from './pod-lookup.ts';
import { proxyUpgrade } from './proxy-upgrade.ts';
import { bridgeCommand, type CommandStreams } from './remote-command.ts';
import { upgradeToSpdy } from './runtime-stream.ts';
import { tunnel } from './tunnel.ts';
import { acceptWebSocket, offeredProtocols, type UpgradeRequest } from './web-sockets.ts';

const TUNNEL_PROTOCOL = 'SPDY/3.1+portforward.k8s.io';

export interface StreamPath {
  action: 'exec' | 'attach' | 'portForward';
  namespace: string;
  pod: string;
  container: string;
  query: URLSearchParams;
}

/** `/exec/{namespace}/{pod}[/{uid}]/{container}`, `/attach/…` alike, `/portForward/{namespace}/{pod}[/{uid}]` */
export function streamPathOf(url: URL): StreamPath | undefined {
  const [action, namespace, pod, ...rest] = url.pathname.split('/').slice(1).map(decodeURIComponent);
  if (!namespace || !pod || rest.length > 2) return undefined;
  const query = url.searchParams;
  if (action === 'portForward' && rest.length < 2) return { action, namespace, pod, container: '', query };
  const container = rest.at(-1);
  if ((action === 'exec' || action === 'attach') && container) return { action, namespace, pod, container, query };
  return undefined;
}

/** Resolves when the connection has ended. @throws HttpError before anything is answered */
export async function serveStream(path: StreamPath, upgrade: UpgradeRequest, kubelet: Kubelet): Promise<void> {
  if (path.action === 'portForward') return servePortForward(path, upgrade, kubelet);
  const asked = streamsOf(path.query);
  const { url, streams } = await askRunning(kubelet, path, async ({ container, id }) => {
    const streams = path.action === 'attach' ? { ...asked, tty: container.tty ?? false } : asked;
    if (!streams.stdin && !streams.stdout && !streams.stderr)
      throw new HttpError(400, 'you must specify at least 1 of stdin, stdout, stderr');
    const options = { containerId: id, ...streams, stderr: streams.stderr && !streams.tty };
    const command = path.query.getAll('command');
    const { runtime } = kubelet;
    const url = path.action === 'exec' ? await runtime.exec({ ...options, command }) : await runtime.attach(options);
    return { url, streams };
  });
  if (isWebSocket(upgrade)) await bridgeCommand(url, streams, () => acceptWebSocket(upgrade, channelProtocols));
  else await proxyUpgrade(upgrade, url);
}

async function servePortForward(path: StreamPath, upgrade: UpgradeRequest, kubelet: Kubelet): Promise<void> {
  const { now } = await findPod(kubelet, path.namespace, path.pod);
  const sandbox = now.sandboxes.find(({ state }) => state === 'SANDBOX_READY');
  if (!sandbox) throw new HttpError(404, 'pod is not running');
  const ports = path.query.getAll('port').map(Number);
  if (ports.some((port) => !Number.isInteger(port) || port < 1 || port > 65_535))
    throw new HttpError(400, 'invalid port');
  const url = await kubelet.runtime.portForward(sandbox.id, ports);
  if (!isWebSocket(upgrade) || !offeredProtocols(upgrade.request).includes(TUNNEL_PROTOCOL))
    return proxyUpgrade(upgrade, url);
  // SPDY inside of WebSocket messages: the wrapping ends here, the SPDY goes on as it is.
  const { socket, head } = await upgradeToSpdy(url, { protocols: ['portforward.k8s.io'] });
  if (head.length > 0) socket.unshift(head);
  const { client } = await acceptWebSocket(upgrade, [TUNNEL_PROTOCOL]);
  await tunnel(createWebSocketStream(client), socket);
}

const isWebSocket = ({ request }: UpgradeRequest): boolean => request.headers.upgrade?.toLowerCase() === 'websocket';

/** The kubelet's own names, and those of the API. */
function streamsOf(query: URLSearchParams): CommandStreams {
  const is = (...names: string[]) => names.some((name) => ['1', 'true'].includes(query.get(name) ?? ''));
  return {
    stdin: is('input', 'stdin'),
    stdout: is('output', 'stdout'),
    stderr: is('error', 'stderr'),
    tty: is('tty'),
  };
}
