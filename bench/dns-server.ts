/** The server that `dns-process` asks: the node's DNS over 10,000 Services, or an echo. `dns-server dns|echo` writes its port. */
import { createSocket } from 'node:dgram';
import { deepFreeze } from '#base/deep-freeze.ts';
import { silentLog } from '#base/log.ts';
import type { Informers } from '#client/informer.ts';
import { startDns } from '#network/dns/start-dns.ts';
import { SERVICES, storedService } from './proxied-services.ts';

const NEVER = new AbortController().signal;

if (process.argv[2] === 'echo') {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 4 << 20 });
  socket.on('message', (message, from) => socket.send(message, from.port, from.address));
  socket.bind(0, '127.0.0.1', () => console.log(socket.address().port));
} else {
  const services = Array.from({ length: SERVICES }, (_, i) => deepFreeze(storedService(i)));
  const byKey = new Map(services.map((service) => [`${service.metadata.namespace}/${service.metadata.name}`, service]));
  const onChange = () => () => undefined;
  const informers = {
    for: () => ({ get: (key: string) => byKey.get(key), list: () => services, onChange }),
    indexed: () => ({ under: () => [], onChange }),
    synced: async () => undefined,
  } as unknown as Informers;
  const { port } = await startDns({
    informers,
    domain: 'cluster.local',
    addresses: ['127.0.0.1'],
    port: 0,
    forward: () => Promise.reject(new Error('nobody asks for that')),
    log: silentLog,
    signal: NEVER,
  });
  console.log(port);
}
