/** The processes that carry the traffic, as the process `net` starts them. */
import { type ChildProcess, execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { canHaveLab, networkLab } from './network-lab.ts';

const ROOT = join(import.meta.dirname, '../..');
const NEEDS =
  "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);";
const isRoot = process.getuid?.() === 0;
let folder: string;
let child: ChildProcess;
let greeting: Promise<unknown[]>;

async function bundle(name: string, contents: string): Promise<string> {
  const outfile = join(folder, name);
  await build({
    absWorkingDir: ROOT,
    stdin: { contents, resolveDir: ROOT, loader: 'ts' },
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    banner: { js: NEEDS },
    logLevel: 'error',
  });
  return outfile;
}

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
import cluster from 'node:cluster';
import { createServer, request } from 'node:http';
import { silentLog } from './src/base/log.ts';
import { systemClock, systemRandom } from './src/cmd/system-clock.ts';
import { IngressWorkers, runIngressWorker } from './src/network/ingress/ingress-workers.ts';
import { routeTableOf } from './src/network/ingress/route-table.ts';

// On a busy machine nobody should decide alone because the answer comes late.
const patient = { ...systemClock, timer: (ms, due) => systemClock.timer(ms * 60, due) };
if (cluster.isWorker) await runIngressWorker({ random: systemRandom, clock: patient });
const backend = createServer((_, response) => response.end('ok')).listen(8080, '127.0.0.1');
const workers = new IngressWorkers({
  program: [process.argv[1]],
  count: 3,
  addresses: ['127.0.0.1'],
  clock: systemClock,
  log: { ...silentLog, warn: console.error, error: console.error },
  signal: new AbortController().signal,
});
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
while (Object.keys(cluster.workers).length < 3 || (await asked('any', 30)) < 30)
  await new Promise((resolve) => setTimeout(resolve, 20));
const found = { any: await asked('any', 30), limited: await asked('limited', 60) };
const [killed] = Object.values(cluster.workers);
const { pid } = killed.process;
const gone = new Promise((resolve) => killed.once('exit', resolve));
process.kill(pid, 'SIGKILL');
await gone;
const without = await asked('any', 30);
while (Object.keys(cluster.workers).length < 3) await new Promise((resolve) => setTimeout(resolve, 20));
console.log(JSON.stringify({ ...found, without, again: await asked('any', 30) }));
process.exit(0);
`;

/** What a script says that runs in the network of a node that nobody else has. */
async function said(file: string): Promise<unknown> {
  const lab = networkLab({ hosts: {}, gateway: '10.244.1.1' });
  try {
    const [command = '', ...args] = lab.commandIn('node', process.execPath, file);
    const { stdout } = await promisify(execFile)(command, args, { timeout: 150_000, killSignal: 'SIGKILL' });
    return JSON.parse(stdout);
  } finally {
    lab.close();
  }
}

test.runIf(canHaveLab())('a rate limit holds over all of them, and without one of them the others go on', async () => {
  const file = await bundle('several.mjs', SEVERAL);
  // A burst of five, and the one that begins it.
  expect(await said(file)).toEqual({ any: 30, limited: 6, without: 30, again: 30 });
});

/** Two that lose who started them, while one carries a request that has no answer yet. */
const LEFT_ALONE = `
import { fork } from 'node:child_process';
import cluster from 'node:cluster';
import { createServer, request } from 'node:http';
import { silentLog } from './src/base/log.ts';
import { systemClock, systemRandom } from './src/cmd/system-clock.ts';
import { IngressWorkers, runIngressWorker } from './src/network/ingress/ingress-workers.ts';
import { routeTableOf } from './src/network/ingress/route-table.ts';

const HOST = 'www.example.com';
if (cluster.isWorker) await runIngressWorker({ random: systemRandom, clock: systemClock });
if (process.argv[2] === 'starter') {
  process.once('disconnect', () => process.exit(1));
  const workers = new IngressWorkers({
    program: [process.argv[1]],
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
  expect(await said(await bundle('left-alone.mjs', LEFT_ALONE))).toEqual({ answer: 200 });
});
