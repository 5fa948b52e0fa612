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
const NAMES = 1_000;
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
const rows: Row[] = [
  {
    ...rateRow('dns/answers a core', { perSecond: dns.perCpuSecond, floor: { value: echo.perCpuSecond, note } }),
    target: TARGET_RATE,
  },
  {
    ...timesRow('dns/p99 at half load', dns.paced, { value: quantile(echo.paced, 0.99), note }),
    value: quantile(dns.paced, 0.99),
    ratio: quantile(dns.paced, 0.99) / quantile(echo.paced, 0.99),
    target: TARGET_P99_MS,
  },
];
process.stdout.write(JSON.stringify(rows), () => process.exit(0));

async function measured(what: 'echo' | 'dns') {
  const child = spawn(process.execPath, [server, what], { stdio: ['ignore', 'pipe', 'inherit'] });
  process.once('exit', () => child.kill('SIGKILL'));
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const port = Number(line.toString());
  await loaded(child, port, WARM_MS);
  const { perCpuSecond } = await loaded(child, port, LOAD_MS);
  const paced = await pacedTimes(port, TARGET_RATE / 2);
  child.kill('SIGKILL');
  return { perCpuSecond, paced };
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

/** ms from a question to its answer, at an even rate; what is late by the asker's own fault counts too. */
async function pacedTimes(port: number, perSecond: number): Promise<number[]> {
  const socket = await connected(port);
  const sentAt = new Float64Array(65_536);
  const times: number[] = [];
  socket.on('message', (answer) => {
    times.push(performance.now() - (sentAt[answer.readUInt16BE(0)] ?? Number.NaN));
  });
  const began = performance.now();
  let sent = 0;
  for (let now = began; now < began + PACED_MS; now = performance.now()) {
    const due = ((now - began) / 1000) * perSecond;
    for (; sent < due; sent++) {
      const question = Buffer.from(questions[sent % NAMES] as Buffer);
      question.writeUInt16BE(sent & 0xffff);
      sentAt[sent & 0xffff] = performance.now();
      socket.send(question);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  await delay(50);
  socket.close();
  return times;
}
