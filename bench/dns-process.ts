/** Asks a DNS server, and an echo in the same way: `dns-process SERVER`. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import dnsPacket from 'dns-packet';
import { cpuSecondsOf } from './process-usage.ts';
import { NAMESPACE } from './proxied-services.ts';
import { quantile, type Row, rateRow, timesRow } from './row.ts';

const SOCKETS = 4;
/** Questions under way for each socket: the server is never without one. */
const UNDER_WAY = 32;
const WARM_MS = 2_000;
const LOAD_MS = 6_000;
const PACED_MS = 5_000;
const LAST_ANSWERS_MS = 500;
const NAMES = 1_000;
/** Of messages of DNS: 16 bits. */
const NUMBERS = 65_536;
/** A turn of the asker that took so long was not its own. */
const HELD_UP_MS = 0.5;
const TARGET_RATE = 60_000;
const TARGET_P99_MS = 1;

/** What pods of a node ask for: mostly their Services, by the short names that the search path makes long, in vain as well. */
const questions = Array.from({ length: NAMES }, (_, i) => {
  const name =
    i % 4 === 3
      ? `svc-${i}.${NAMESPACE}.svc.cluster.local.svc.cluster.local`
      : `svc-${i}.${NAMESPACE}.svc.cluster.local`;
  const type = i % 2 === 0 ? 'A' : 'AAAA';
  return dnsPacket.encode({ id: 0, type: 'query', flags: dnsPacket.RECURSION_DESIRED, questions: [{ name, type }] });
});

const [server = ''] = process.argv.slice(2);
const echo = await measured('echo');
const dns = await measured('dns');
const note = 'node:dgram sending back what it gets';
/** What remains of the answers without those that the asker was late to take up. */
const atOnce = ({ seen, paced }: Measured) =>
  `${((seen.length / paced.length) * 100).toFixed(0)} %, p99 ${quantile(seen, 0.99).toFixed(2)} ms`;
const bound = `${note}; both with answers that the asker was late to take up; without: ${atOnce(dns)}, floor ${atOnce(echo)}`;
const rows: Row[] = [
  {
    ...rateRow('dns/answers a core', { perSecond: dns.perCpuSecond, floor: { value: echo.perCpuSecond, note } }),
    target: TARGET_RATE,
  },
  {
    ...timesRow('dns/p99 at half load', dns.paced, { value: quantile(echo.paced, 0.99), note: bound }),
    value: quantile(dns.paced, 0.99),
    ratio: quantile(dns.paced, 0.99) / quantile(echo.paced, 0.99),
    target: TARGET_P99_MS,
  },
];
process.stdout.write(JSON.stringify(rows), () => process.exit(0));

interface Measured {
  perCpuSecond: number;
  /** ms, of all questions. */
  paced: number[];
  /** Those of `paced` that were not late by the asker's own fault. */
  seen: number[];
}

async function measured(what: 'echo' | 'dns'): Promise<Measured> {
  const child = spawn(process.execPath, [server, what], { stdio: ['ignore', 'pipe', 'inherit'] });
  process.once('exit', () => child.kill('SIGKILL'));
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const port = Number(line.toString());
  await loaded(child, port, WARM_MS);
  const { perCpuSecond } = await loaded(child, port, LOAD_MS);
  const { times: paced, seen } = await pacedTimes(port, TARGET_RATE / 2);
  child.kill('SIGKILL');
  return { perCpuSecond, paced, seen };
}

async function connected(port: number): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 4 << 20, sendBufferSize: 4 << 20 });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  await new Promise<void>((resolve) => socket.connect(port, '127.0.0.1', resolve));
  return socket;
}

/** As many as it can. */
async function loaded(child: ChildProcess, port: number, forMs: number) {
  let answers = 0;
  let next = 0;
  const sockets = await Promise.all(Array.from({ length: SOCKETS }, () => connected(port)));
  const ask = (socket: Socket) => socket.send(questions[next++ % NAMES] as Buffer);
  for (const socket of sockets) {
    socket.on('message', () => {
      answers++;
      ask(socket);
    });
    for (let i = 0; i < UNDER_WAY; i++) ask(socket);
  }
  const before = cpuSecondsOf(child.pid ?? 0);
  await delay(forMs);
  const seconds = cpuSecondsOf(child.pid ?? 0) - before;
  for (const socket of sockets) socket.close();
  return { perCpuSecond: answers / seconds };
}

/**
 * ms from a question to its answer, at an even rate. When the asker was held up (by its own garbage, by others on its core) it
 * does not send all at once what it has missed, for the queue of such a burst would be measured. Answers that waited for it
 * meanwhile count as long as that took, which is the most that they can have taken; one that never came counts as the whole run.
 */
async function pacedTimes(port: number, perSecond: number): Promise<{ times: number[]; seen: number[] }> {
  const socket = await connected(port);
  const sentAt = new Float64Array(NUMBERS);
  const numberOf = new Float64Array(NUMBERS);
  const times: number[] = [];
  const seen: number[] = [];
  const asking = questions.map((question) => Buffer.from(question));
  let [sent, seenFrom] = [0, 0];
  let turnBegan = performance.now();
  socket.on('message', (answer) => {
    const now = performance.now();
    const id = answer.readUInt16BE(0);
    const ms = now - (sentAt[id] ?? Number.NaN);
    times.push(ms);
    if (now - turnBegan > HELD_UP_MS) seenFrom = sent;
    if ((numberOf[id] ?? 0) >= seenFrom) seen.push(ms);
  });
  const began = turnBegan;
  const gapMs = 1000 / perSecond;
  let dueAt = began;
  while (turnBegan < began + PACED_MS) {
    const now = performance.now();
    if (now - turnBegan > HELD_UP_MS) seenFrom = sent;
    turnBegan = now;
    if (now - dueAt > HELD_UP_MS) dueAt = now;
    for (; dueAt <= now; dueAt += gapMs) {
      const question = asking[sent % NAMES] as Buffer; // it is copied into the kernel at once
      const id = sent % NUMBERS;
      question.writeUInt16BE(id);
      numberOf[id] = sent++;
      sentAt[id] = performance.now();
      socket.send(question);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  await delay(LAST_ANSWERS_MS);
  socket.close();
  while (times.length < sent) times.push(PACED_MS);
  return { times, seen };
}
