/** The processes that carry the traffic, as the process `net` starts them. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundleOf, saidInLab } from './bundled-script.ts';
import { canHaveLab } from './network-lab.ts';

const isRoot = process.getuid?.() === 0;
let folder: string;
let child: ChildProcess;
let greeting: Promise<unknown[]>;

const bundle = (name: string, contents: string): Promise<string> => bundleOf(join(folder, name), contents);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ingress-worker-'));
  const contents = "import { runIngressWorker } from './src/cmd/ingress-worker.ts'; await runIngressWorker();";
  const outfile = await bundle('worker.mjs', contents);
  child = fork(outfile, [], { serialization: 'advanced', execArgv: [] });
  greeting = once(child, 'message');
});
afterAll(async () => {
  child?.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

test.runIf(isRoot)('what comes in from outside meets a process that is nobody and may do nothing else', async () => {
  expect((await greeting)[0]).toEqual({ hears: true });
  const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
  const line = (name: string) => new RegExp(`^${name}:(.*)$`, 'm').exec(status)?.[1]?.trim().split(/\s+/);
  expect(line('Uid')).toEqual(Array(4).fill('65534'));
  expect(line('Gid')).toEqual(Array(4).fill('65534'));
  expect(line('Groups')).toEqual(['']);
  for (const capabilities of ['CapEff', 'CapPrm']) expect(line(capabilities)).toEqual(['0000000000000000']);
});

/** Several processes behind one port; asks over as many connections as there are requests. */
const SEVERAL = `
import { createServer, request } from 'node:http';
import { silentLog } from './src/base/log.ts';
import { systemClock, systemRandom } from './src/cmd/system-clock.ts';
import { IngressWorkers } from './src/network/ingress/ingress-workers.ts';
import { runIngressWorker } from './src/network/ingress/run-ingress-worker.ts';
import { routeTableOf } from './src/network/ingress/route-table.ts';
import { allProcesses } from './src/node/machine/process-record.ts';

// On a busy machine nobody should decide alone because the answer comes late.
const patient = { ...systemClock, timer: (ms, due) => systemClock.timer(ms * 60, due) };
if (process.argv[2] === 'worker') await runIngressWorker({ random: systemRandom, clock: patient });
const backend = createServer((_, response) => response.end('ok')).listen(8080, '127.0.0.1');
const workers = new IngressWorkers({
  program: [process.argv[1], 'worker'],
  count: 3,
  addresses: ['127.0.0.1'],
  clock: systemClock,
  log: { ...silentLog, warn: console.error, error: console.error },
  signal: new AbortController().signal,
});
const children = () =>
  allProcesses().flatMap(({ pid, parent, state }) => (parent === process.pid && state !== 'Z' ? [pid] : []));
const ingress = (name, annotations = {}) => ({
  metadata: { name, namespace: 'shop', annotations },
  spec: {
    rules: [{
      host: name,
      http: { paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: 'web', port: { number: 80 } } } }] },
    }],
  },
});
const LIMIT = { 'nginx.ingress.kubernetes.io/limit-rpm': '1' };
workers.tell({
  hosts: [...routeTableOf([ingress('any'), ingress('limited', LIMIT)]).hosts],
  endpoints: [['shop/web:80', [{ address: '127.0.0.1', port: 8080 }]]],
});
const ask = (host) =>
  new Promise((resolve) => {
    const sent = request({ host: '127.0.0.1', port: 80, path: '/', agent: false, headers: { host } });
    sent.on('response', (response) => response.resume().on('end', () => resolve(response.statusCode)));
    sent.on('error', () => resolve(0));
    sent.end();
  });
const asked = async (host, count) => {
  const answers = await Promise.all(Array.from({ length: count }, () => ask(host)));
  return answers.filter((status) => status === 200).length;
};
while (children().length < 3 || (await asked('any', 30)) < 30)
  await new Promise((resolve) => setTimeout(resolve, 20));
const found = { any: await asked('any', 30), limited: await asked('limited', 60) };
const [pid] = children();
process.kill(pid, 'SIGKILL');
while (children().includes(pid)) await new Promise((resolve) => setTimeout(resolve, 1));
const without = await asked('any', 30);
while (children().length < 3) await new Promise((resolve) => setTimeout(resolve, 20));
console.log(JSON.stringify({ ...found, without, again: await asked('any', 30) }));
for (const pid of children()) process.kill(pid, 'SIGKILL'); // left alone they would go on, and have patience
process.exit(0);
`;

/** A port of a Gateway comes and goes, and a process cannot be started for want of files. */
const PORTS = `
import { closeSync, openSync } from 'node:fs';
import { connect } from 'node:net';
import { silentLog } from './src/base/log.ts';
import { systemClock, systemRandom } from './src/cmd/system-clock.ts';
import { IngressWorkers } from './src/network/ingress/ingress-workers.ts';
import { runIngressWorker } from './src/network/ingress/run-ingress-worker.ts';
import { allProcesses } from './src/node/machine/process-record.ts';

if (process.argv[2] === 'worker') await runIngressWorker({ random: systemRandom, clock: systemClock });
const told = [];
const complaints = [];
const workers = new IngressWorkers({
  program: [process.argv[1], 'worker'],
  count: 2,
  addresses: ['127.0.0.1'],
  clock: systemClock,
  log: {
    ...silentLog,
    warn: (_, { reason }) => complaints.push(reason),
    error: (_, { error }) => told.push(/EMFILE/.exec(error)?.[0]),
  },
  signal: new AbortController().signal,
});
const children = () =>
  allProcesses().flatMap(({ pid, parent, state }) => (parent === process.pid && state !== 'Z' ? [pid] : []));
const listens = (port) =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket.destroy() && true));
    socket.on('error', () => resolve(false));
  });
const until = async (condition) => {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20));
};
const some = { isTls: false, speaksHttp2: false, hasPassthrough: false, listeners: new Map() };
const hears = async (port, wanted) => (await listens(port)) === wanted;
await until(() => hears(80, true));
workers.tell({ ports: [[8080, some]] });
await until(() => hears(8080, true));
workers.tell({ ports: [[80, some]] });
workers.tell({ ports: [[80, null], [8080, null]] }); // of a Gateway; that of Ingresses stays
workers.tell({ ports: [[8080, some]] }); // before everybody has heard that it is gone
await new Promise((resolve) => setTimeout(resolve, 1_500));
const isThereAgain = await listens(8080);
workers.tell({ ports: [[8080, null]] });
await until(() => hears(8080, false));

const files = [];
const isFull = () => {
  try {
    files.push(openSync('/dev/null', 'r'));
    return false;
  } catch {
    return true;
  }
};
await until(() => children().length === 2);
const [pid] = children(); // reads files itself
while (!isFull());
process.kill(pid, 'SIGKILL');
await until(() => told.includes('EMFILE'));
for (const file of files.splice(0)) closeSync(file);
await until(() => children().length === 2);
await new Promise((resolve) => setTimeout(resolve, 1_500)); // until it listens, or complains
console.log(JSON.stringify({ isThereAgain, isOpen: await listens(80), complaints }));
process.exit(0);
`;

test.runIf(canHaveLab())(
  'a port goes when nobody wants it, and a process comes when there are files again',
  async () => {
    const limited = (command: string[]) => ['sh', '-c', 'ulimit -n 256; exec "$@"', 'sh', ...command];
    expect(await saidInLab(limited([process.execPath, await bundle('ports.mjs', PORTS)]))).toEqual({
      isThereAgain: true,
      isOpen: true,
      complaints: [],
    });
  },
);

test.runIf(canHaveLab())('a rate limit holds over all of them, and without one of them the others go on', async () => {
  const file = await bundle('several.mjs', SEVERAL);
  // A burst of five, and the one that begins it.
  expect(await saidInLab([process.execPath, file])).toEqual({ any: 30, limited: 6, without: 30, again: 30 });
});

/** Two that lose who started them, while one carries a request that has no answer yet. */
const LEFT_ALONE = `
import { fork } from 'node:child_process';
import { createServer, request } from 'node:http';
import { silentLog } from './src/base/log.ts';
import { systemClock, systemRandom } from './src/cmd/system-clock.ts';
import { IngressWorkers } from './src/network/ingress/ingress-workers.ts';
import { runIngressWorker } from './src/network/ingress/run-ingress-worker.ts';
import { routeTableOf } from './src/network/ingress/route-table.ts';

const HOST = 'www.example.com';
if (process.argv[2] === 'worker') await runIngressWorker({ random: systemRandom, clock: systemClock });
if (process.argv[2] === 'starter') {
  process.once('disconnect', () => process.exit(1));
  const workers = new IngressWorkers({
    program: [process.argv[1], 'worker'],
    count: 2,
    addresses: ['127.0.0.1'],
    clock: systemClock,
    log: { ...silentLog, warn: console.error, error: console.error },
    signal: new AbortController().signal,
  });
  const backend = { service: { name: 'web', port: { number: 80 } } };
  const rules = [{ host: HOST, http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }];
  workers.tell({
    hosts: [...routeTableOf([{ metadata: { name: 'web', namespace: 'shop' }, spec: { rules } }]).hosts],
    endpoints: [['shop/web:80', [{ address: '127.0.0.1', port: 8080 }]]],
  });
  await new Promise(() => undefined);
}
let held;
const isHeld = new Promise((resolve) => {
  const answer = (asked, response) => {
    if (asked.url !== '/held') return response.end('ok');
    held = response;
    resolve();
  };
  createServer(answer).listen(8080, '127.0.0.1');
});
const ask = (path) =>
  new Promise((resolve) => {
    const sent = request({ host: '127.0.0.1', port: 80, path, agent: false, headers: { host: HOST } });
    sent.on('response', (response) => response.resume().on('end', () => resolve(response.statusCode)));
    sent.on('error', ({ code }) => resolve(code));
    sent.end();
  });
const until = async (wanted) => {
  while ((await ask('/')) !== wanted) await new Promise((resolve) => setTimeout(resolve, 20));
};
const starter = fork(process.argv[1], ['starter']);
await until(200);
const answer = ask('/held');
await isHeld;
starter.kill('SIGKILL');
await until('ECONNREFUSED'); // a successor may listen
held.end('at last');
console.log(JSON.stringify({ answer: await answer }));
process.exit(0);
`;

test.runIf(canHaveLab())('who is left alone listens no more, and answers what is under way', async () => {
  expect(await saidInLab([process.execPath, await bundle('left-alone.mjs', LEFT_ALONE)])).toEqual({ answer: 200 });
});
