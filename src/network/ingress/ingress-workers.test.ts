/** The processes are given what they need, and nothing else: they are nobody, and meet what comes in. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { deferred } from '#base/deferred.ts';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { IngressWorkers } from './ingress-workers.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ingress-workers-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Asks for a socket at each of its arguments, and tells what it was given. */
const ASKS = `
const wanted = process.argv.slice(2).map((at) => JSON.parse(at));
process.on('message', ({ opened, refused }, handle) => {
  if (opened) process.send({ complaint: JSON.stringify([opened, refused ?? Boolean(handle)]) });
  handle?.close();
});
process.send({ hears: true });
for (const open of wanted) process.send({ open });
`;

/** Gives away what it listens on, tells the port, and ends. */
const GIVES = `
import { createServer } from 'node:net';
const server = createServer().listen(0, '127.0.0.1', () => {
  process.send({ complaint: String(server.address().port) }, server._handle, {}, () => process.exit(1));
});
`;

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

test('a process is given no socket where nobody is to listen', async () => {
  const program = join(folder, 'asks.mjs');
  await writeFile(program, ASKS);
  const [known, other] = [await freePort(), await freePort()];
  const wanted = [
    { host: '127.0.0.1', port: other },
    { host: '127.0.0.2', port: known },
    { host: '127.0.0.1', port: known },
  ];
  const told: unknown[] = [];
  const all = deferred();
  const warn = (_: string, { reason }: { reason: string }) => {
    told.push(JSON.parse(reason));
    if (told.length === wanted.length) all.resolve();
  };
  const clock = new ManualClock();
  const ending = new AbortController();
  const workers = new IngressWorkers({
    program: [program, ...wanted.map((at) => JSON.stringify(at))],
    count: 1,
    addresses: ['127.0.0.1'],
    clock,
    log: { ...silentLog, warn: warn as typeof silentLog.warn },
    signal: ending.signal,
  });
  workers.tell({ ports: [[known, { isTls: false, speaksHttp2: false, hasPassthrough: false, listeners: new Map() }]] });
  await all.promise;
  workers.tell({ ports: [[known, null]] });
  clock.advance(1_000);
  ending.abort();
  expect(told).toEqual([
    [wanted[0], 'Error: nobody is to listen there'],
    [wanted[1], 'Error: nobody is to listen there'],
    [wanted[2], true],
  ]);
});

test('what a process gives is not kept open: nobody has asked for it', async () => {
  const program = join(folder, 'gives.mjs');
  await writeFile(program, GIVES);
  const [told, ended] = [deferred<number>(), deferred()];
  const ending = new AbortController();
  const log = {
    warn: (_: string, fields?: object) => told.resolve(Number((fields as { reason: string }).reason)),
    error: () => ended.resolve(),
  };
  const options = { program: [program], count: 1, addresses: [], clock: new ManualClock(), signal: ending.signal };
  new IngressWorkers({ ...options, log: { ...silentLog, ...log } });
  const port = await told.promise;
  await ended.promise;
  ending.abort();
  expect(await answerAt(port)).toBe('ECONNREFUSED');
});

const answerAt = (port: number): Promise<string> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve('open');
    });
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
  });
