/** A node's `net` is killed while it is asked: its sockets are kept for the next one, and what it has started goes on until then. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundleOf, saidInLab } from './bundled-script.ts';
import { canHaveLab } from './network-lab.ts';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'socket-handover-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The part of `net` that listens; the processes of its Ingress; and their keeper, which asks all the time. */
const HANDOVER = `
import { createSocket } from 'node:dgram';
import { Agent, createServer, request } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import dnsPacket from 'dns-packet';
import { silentLog } from './src/base/log.ts';
import { inheritedSockets } from './src/cmd/inherited-sockets.ts';
import { KeptProcess } from './src/cmd/supervisor/kept-process.ts';
import { systemClock, systemRandom } from './src/cmd/system-clock.ts';
import { startDns } from './src/network/dns/start-dns.ts';
import { IngressWorkers } from './src/network/ingress/ingress-workers.ts';
import { routeTableOf } from './src/network/ingress/route-table.ts';
import { runIngressWorker } from './src/network/ingress/run-ingress-worker.ts';
import { clusterPaths } from './src/node/machine/cluster-dir.ts';

const [, script, role, folder] = process.argv;
const ADDRESS = '127.0.0.1';
const HOST = 'www.example.com';
const log = { ...silentLog, warn: console.error, error: console.error };

if (role === 'worker') await runIngressWorker({ random: systemRandom, clock: systemClock });
if (role === 'net') {
  const alive = setInterval(() => undefined, 2 ** 30);
  const ending = new AbortController();
  process.once('SIGTERM', () => {
    ending.abort();
    setTimeout(() => process.exit(0), 50);
  });
  const { signal } = ending;
  const sockets = await inheritedSockets(systemClock);
  await delay(300); // it has to read a cluster first
  const service = { metadata: { name: 'web', namespace: 'shop' }, spec: { clusterIP: '10.96.7.7', ports: [] } };
  const onChange = () => () => undefined;
  const informers = {
    for: () => ({ get: () => service, list: () => [service], onChange }),
    indexed: () => ({ under: () => [], onChange }),
    synced: async () => undefined,
  };
  const forward = () => Promise.reject(new Error('nobody asks for that'));
  await startDns({ informers, domain: 'cluster.local', addresses: [ADDRESS], sockets, forward, log, signal });
  const program = [script, 'worker'];
  const workers = new IngressWorkers({ program, count: 2, addresses: [ADDRESS], sockets, clock: systemClock, log, signal });
  const backend = { service: { name: 'web', port: { number: 80 } } };
  const rules = [{ host: HOST, http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }];
  workers.tell({
    hosts: [...routeTableOf([{ metadata: { name: 'web', namespace: 'shop' }, spec: { rules } }]).hosts],
    endpoints: [['shop/web:80', [{ address: ADDRESS, port: 8080 }]]],
  });
  await new Promise(() => undefined);
}

createServer((_, response) => setTimeout(() => response.end('ok'), 5)).listen(8080, ADDRESS);
const kept = new Agent({ keepAlive: true, maxSockets: 4 });
const get = (agent) =>
  new Promise((resolve) => {
    const sent = request({ host: ADDRESS, port: 80, path: '/', agent, headers: { host: HOST } });
    sent.on('response', (response) => response.resume().on('end', () => resolve(response.statusCode)));
    sent.on('error', ({ code }) => resolve(code));
    sent.end();
  });
const question = dnsPacket.encode({ id: 7, type: 'query', questions: [{ name: 'web.shop.svc.cluster.local', type: 'A' }] });
const framed = Buffer.concat([Buffer.from([0, question.length]), question]);
const overUdp = () =>
  new Promise((resolve) => {
    const socket = createSocket('udp4');
    const asks = () => socket.send(question);
    const again = setInterval(asks, 2_000); // as resolvers do: what was just being answered is lost with the process
    const done = (what) => {
      clearInterval(again);
      resolve(socket.close() && what);
    };
    socket.on('error', ({ code }) => done(code));
    socket.once('message', () => done(200));
    socket.connect(53, ADDRESS, asks);
  });
const overTcp = () =>
  new Promise((resolve) => {
    const socket = connect(53, ADDRESS, () => socket.write(framed));
    socket.on('error', ({ code }) => resolve(code));
    socket.on('data', () => resolve(socket.destroy() && 200));
    socket.on('close', () => resolve('closed'));
  });
const ways = { fresh: () => get(false), kept: () => get(kept), udp: overUdp, tcp: overTcp };
const all = () => Promise.all(Object.values(ways).map((ask) => ask()));
const until = async (condition) => {
  while (!(await condition())) await delay(20);
};

const net = new KeptProcess({
  name: 'node1/net',
  argv: [process.execPath, script, 'net'],
  keepsSockets: true,
  logFile: folder + '/net.log',
  paths: { ...clusterPaths('kept', folder), runDir: folder },
  clock: systemClock,
  log: silentLog,
  onChange: () => undefined,
});
await net.start();
await until(async () => (await all()).every((said) => said === 200));
const said = {};
const asking = Object.entries(ways).map(([way, ask]) => {
  const asked = [];
  const timer = setInterval(() => asked.push(ask()), 5);
  return async () => {
    clearInterval(timer);
    said[way] = [...new Set(await Promise.all(asked))];
  };
});
for (let times = 0; times < 2; times++) {
  await delay(500);
  const { pid } = net.status;
  process.kill(pid, 'SIGKILL');
  await until(() => net.status.pid !== undefined && net.status.pid !== pid);
  await delay(2_000);
}
await Promise.all(asking.map((end) => end()));
await net.stop(2_000);
await until(async () => (await all()).every((said) => said === 'ECONNREFUSED'));
console.log(JSON.stringify({ ...said, restarts: net.status.restarts }));
process.exit(0);
`;

test.runIf(canHaveLab())('nobody who asks is refused meanwhile, and everybody when it is stopped', async () => {
  const file = await bundleOf(join(folder, 'handover.mjs'), HANDOVER);
  const { tcp, ...said } = (await saidInLab([process.execPath, file, 'main', folder])) as Record<string, unknown[]>;
  expect(said).toEqual({ fresh: [200], kept: [200], udp: [200], restarts: 2 });
  // A connection ends with the process that has taken it.
  expect(tcp?.filter((each) => each !== 'ECONNRESET' && each !== 'closed')).toEqual([200]);
});
