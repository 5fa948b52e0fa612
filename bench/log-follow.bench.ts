/**
 * From the time at which the runtime wrote a line of a container's log, which stands in the log, to its being read: by a client
 * that follows the log through API server and kubelet, and by who watches the file itself.
 */
import { watch } from 'node:fs';
import { open as openFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bench } from './bench.ts';
import { BenchNode, NAMESPACE, NODE } from './bench-node.ts';
import { request } from './http2-load.ts';
import { podsPath } from './objects.ts';
import { median, type Row, timesRow } from './row.ts';

const IMAGE = 'kedge.local/bench:1';
const POD = 'talker';
const LINES = 100;
const TALK = 'while true; do echo a line; sleep 0.1; done';
const TARGET_MS = 20;
const WITHIN_MS = 40_000;

export async function run(bench: Bench): Promise<Row[]> {
  const node = await BenchNode.start(bench);
  if (!node) return [];
  await node.cluster.loadBusybox(IMAGE);
  await node.run([POD], { nodeName: NODE, container: { image: IMAGE, command: ['sh', '-c', TALK] } });
  const [container] = await node.runtime.listContainers();
  const { logPath = '' } = (await node.runtime.containerStatus(container?.id ?? '')) ?? {};
  const { kubeletDir } = await node.cluster.layout(NODE);
  const file = join(kubeletDir, logPath.replace(/^\/var\/lib\/kubelet\//, ''));

  bench.say(`${LINES} lines`);
  const [followed, watched] = await Promise.all([followedTimes(node), watchedTimes(bench, file)]);
  return [
    {
      ...timesRow('log-follow/latency', followed, { value: median(watched), note: 'watching the file itself' }),
      target: TARGET_MS,
    },
  ];
}

function followedTimes({ session }: BenchNode): Promise<number[]> {
  const path = `${podsPath(NAMESPACE)}/${POD}/log?follow=true&timestamps=true&tailLines=0`;
  const stream = request(session, { path });
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error('the log does not come')), WITHIN_MS);
    const take = latencies((times) => {
      clearTimeout(late);
      stream.destroy();
      resolve(times);
    });
    stream.on('error', reject);
    stream.setEncoding('utf8').on('data', take);
  });
}

async function watchedTimes(bench: Bench, file: string): Promise<number[]> {
  const handle = await openFile(file, 'r');
  bench.atEnd(() => handle.close());
  let at = (await handle.stat()).size;
  const buffer = Buffer.alloc(64 * 1024);
  return new Promise((resolve) => {
    const take = latencies((times) => {
      watcher.close();
      resolve(times);
    });
    const watcher = watch(file, async () => {
      const from = at;
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, from);
      if (at !== from) return; // another event was quicker
      at += bytesRead;
      take(buffer.toString('utf8', 0, bytesRead));
    });
  });
}

/** Takes text in whatever pieces it comes; each line begins with its time. */
function latencies(done: (times: number[]) => void): (text: string) => void {
  const times: number[] = [];
  let rest = '';
  return (text) => {
    const nowMs = performance.timeOrigin + performance.now();
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const stamp = line.split(' ')[0] ?? '';
      // To the microsecond; Date reads milliseconds only.
      const [seconds = '', fraction = '0'] = stamp.split(/[.Z+]/);
      times.push(nowMs - (Date.parse(`${seconds}Z`) + Number(`0.${fraction}`) * 1000));
      if (times.length === LINES) done(times);
    }
  };
}
