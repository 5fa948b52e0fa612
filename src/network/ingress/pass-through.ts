/** Connections that go to a backend as they are: TLS that ends there. Source: Gateway API reference, TLSRoute. */
import { connect, type Socket } from 'node:net';
import { pipeline } from 'node:stream';
import type { Endpoint } from './backends.ts';
import { isOfIngress, type KnownRoutes } from './find-route.ts';
import { mostSpecific, type Passthrough } from './listeners.ts';
import type { Upstreams } from './upstreams.ts';

const CONNECT_MS = 5_000;
const MOST_TRIES = 3;

/** undefined: nobody wants the connection as it is, and its TLS ends here. */
export function passthroughFor(routes: KnownRoutes, servername: string): Passthrough | undefined {
  const { port } = routes;
  const at = port && !isOfIngress(routes, servername) ? mostSpecific(port.listeners, servername) : undefined;
  return at && mostSpecific(at.passthrough, servername);
}

export function passThrough(
  client: Socket,
  { split }: Passthrough,
  { upstreams, random }: { upstreams: Upstreams; random(): number },
): void {
  const endpoints = endpointsFor(split, upstreams, random);
  const tryNext = (tries: number): void => {
    const endpoint = endpoints[tries];
    if (!endpoint || client.destroyed) {
      client.destroy();
      return;
    }
    const socket = connect({ host: endpoint.address, port: endpoint.port, noDelay: true, timeout: CONNECT_MS });
    const failed = () => {
      socket.destroy();
      tryNext(tries + 1);
    };
    socket.once('error', failed);
    socket.once('timeout', failed);
    socket.once('connect', () => {
      socket.off('error', failed);
      socket.off('timeout', failed);
      socket.setTimeout(0);
      socket.on('error', () => socket.destroy());
      client.setNoDelay(true);
      pipeline(client, socket, () => undefined);
      pipeline(socket, client, () => undefined);
    });
  };
  tryNext(0);
}

function endpointsFor(split: Passthrough['split'], upstreams: Upstreams, random: () => number): readonly Endpoint[] {
  let at = random() * split.reduce((sum, { weight }) => sum + weight, 0);
  for (const { backend, weight } of split) {
    at -= weight;
    if (weight > 0 && at < 0) return backend === undefined ? [] : upstreams.next(backend, MOST_TRIES);
  }
  return [];
}
