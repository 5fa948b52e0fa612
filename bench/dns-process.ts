/** Asks a DNS server, and an echo in the same way: `dns-process SERVER`. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
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
/** Who is so late was held up. */
const HELD_UP_MS = 0.5;
const NAP_MS = 0.05;
const asleep = new Int32Array(new SharedArrayBuffer(4));
const TARGET_RATE = 60_000;
const HALF_LOAD = TARGET_RATE / 2;
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
const beforeOthers = (times: readonly number[]) =>
  `${Math.round((1000 * times.length) / PACED_MS)} a second; server and asker before all others on these cores (SCHED_FIFO)`;
const rows: Row[] = [
  {
    ...rateRow('dns/answers a core', { perSecond: dns.perCpuSecond, floor: { value: echo.perCpuSecond, note } }),
    target: TARGET_RATE,
  },
  pacedRow('dns/p99 at half load, beside what else runs here', (of) => of.beside, note),
];
if (dns.alone && echo.alone)
  rows.push({
    ...pacedRow('dns/p99 at half load', (of) => of.alone as number[], `${note}; ${beforeOthers(dns.alone)}`),
    target: TARGET_P99_MS,
  });
process.stdout.write(JSON.stringify(rows), () => process.exit(0));

function pacedRow(measure: string, timesOf: (of: Measured) => number[], floorNote: string): Row {
  const floor = { value: quantile(timesOf(echo), 0.99), note: floorNote };
  const value = quantile(timesOf(dns), 0.99);
  return { ...timesRow(measure, timesOf(dns), floor), value, ratio: value / floor.value };
}

interface Measured {
  perCpuSecond: number;
  /** ms, of all questions. */
  beside: number[];
  /** undefined: this user may not go before others. */
  alone?: number[];
}

async function measured(what: 'echo' | 'dns'): Promise<Measured> {
  const child = spawn(process.execPath, [server, what], { stdio: ['ignore', 'pipe', 'inherit'] });
  process.once('exit', () => child.kill('SIGKILL'));
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const port = Number(line.toString());
  await loaded(child, port, WARM_MS);
  const { perCpuSecond } = await loaded(child, port, LOAD_MS);
  const beside = await pacedTimes(port);
  const alone = goFirst(child.pid ?? 0) && goFirst(process.pid) ? await pacedTimes(port) : undefined;
  child.kill('SIGKILL');
  goFirst(process.pid, false);
  return { perCpuSecond, beside, ...(alone && { alone }) };
}

/**
 * Before everything else that runs, so that what is measured is the server and not who waits for a core: with the asker and the
 * kernel's part these are two cores' work, and what else runs on the same two is not the server's.
 * @returns whether it may.
 */
function goFirst(pid: number, isFirst = true): boolean {
  const policy = isFirst ? ['--fifo', '--all-tasks', '--pid', '1'] : ['--other', '--all-tasks', '--pid', '0'];
  return spawnSync('chrt', [...policy, String(pid)], { stdio: 'ignore' }).status === 0;
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
 * ms from a question to its answer, at an even rate. Between two questions it sleeps rather than turns, or it would keep a core from
 * the server, which wakes where its question comes from. Who was held up does not send all at once what it has missed, for the queue
 * of such a burst would be measured. An answer that never came counts as the whole run.
 */
async function pacedTimes(port: number): Promise<number[]> {
  const sockets = await Promise.all(Array.from({ length: SOCKETS }, () => connected(port)));
  const sentAt = new Float64Array(NUMBERS);
  const times = new Float64Array((HALF_LOAD * PACED_MS) / 1000);
  let [sent, answered] = [0, 0];
  for (const socket of sockets)
    socket.on('message', (answer) => {
      times[answered++] = performance.now() - (sentAt[answer.readUInt16BE(0)] as number);
    });
  const gapMs = 1000 / HALF_LOAD;
  const began = performance.now();
  let dueAt = began;
  for (let now = began; now < began + PACED_MS && sent < times.length; now = performance.now()) {
    if (now - dueAt > HELD_UP_MS) dueAt = now;
    for (; dueAt <= now; dueAt += gapMs) {
      const question = questions[sent % NAMES] as Buffer; // it is copied into the kernel at once
      const id = sent % NUMBERS;
      question.writeUInt16BE(id);
      sentAt[id] = performance.now();
      sockets[sent++ % SOCKETS]?.send(question);
    }
    Atomics.wait(asleep, 0, 0, NAP_MS);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await delay(LAST_ANSWERS_MS);
  for (const socket of sockets) socket.close();
  return Array.from(times.subarray(0, sent), (ms, i) => (i < answered ? ms : PACED_MS));
}
