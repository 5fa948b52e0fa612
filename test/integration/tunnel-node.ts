/** The node's end of a tunnel in a process of its own, inside a network that knows no way to the API server but a unix socket. */
import { connect, createServer } from 'node:net';
import { silentLog } from '#base/log.ts';
import { systemClock, systemRandom } from '#cmd/system-clock.ts';
import { keepTunnel } from '#node/kubelet/tunnel/keep-tunnel.ts';

export interface TunnelNodeConfig {
  nodeName: string;
  podRanges: string[];
  addresses: string[];
  kubeletPort: number;
  /** Leads to the API server. */
  socketPath: string;
  ca: string;
  cert: string;
  key: string;
}

const { socketPath, nodeName, podRanges, addresses, kubeletPort, ca, cert, key } = JSON.parse(
  process.env['TUNNEL_NODE'] ?? '',
) as TunnelNodeConfig;
const RELAY_PORT = 6443;

const relay = createServer((client) => {
  const api = connect(socketPath);
  for (const socket of [client, api]) socket.on('error', () => socket.destroy());
  client.pipe(api).pipe(client);
  client.once('close', () => api.destroy());
  api.once('close', () => client.destroy());
});
relay.listen(RELAY_PORT, '127.0.0.1', () => {
  console.log('up');
  void keepTunnel({
    nodeName,
    targets: { podRanges, addresses, kubeletPort },
    endpoint: () => ({ host: '127.0.0.1', port: RELAY_PORT, ca, cert, key }),
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    signal: new AbortController().signal,
  });
});
setInterval(() => undefined, 2 ** 30); // the clock's timers keep no process alive
