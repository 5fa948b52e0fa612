import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { ApiServerFlags } from './api-server-flags.ts';
import { senderFor } from './extender-sender.ts';
import { schedulerSettings } from './scheduler-profiles.ts';

const directory = mkdtempSync(join(tmpdir(), 'scheduler-profiles-'));
afterAll(() => rmSync(directory, { recursive: true }));

const HEAD = 'apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n';

function settings(text: string) {
  const path = join(directory, 'config.yaml');
  writeFileSync(path, text);
  return schedulerSettings(new ApiServerFlags({ 'scheduler-config': path }));
}

test('a file gives the profiles, with their extenders', () => {
  const made = settings(
    `${HEAD}podInitialBackoffSeconds: 3
profiles: [{schedulerName: a}, {schedulerName: b, percentageOfNodesToScore: 30}]
extenders: [{urlPrefix: http://127.0.0.1:1/x, filterVerb: filter, httpTimeout: 100ms}]`,
  );
  expect(made?.backOff).toEqual({ firstMs: 3000, mostMs: 10_000 });
  const profiles = made?.profiles() ?? [];
  expect(
    profiles.map(({ schedulerName, percentageOfNodesToScore }) => [schedulerName, percentageOfNodesToScore]),
  ).toEqual([
    ['a', undefined],
    ['b', 30],
  ]);
  expect(profiles[0]?.extenders?.map(({ name }) => name)).toEqual(['http://127.0.0.1:1/x']);
});

test('a scheduler that starts again has plugins that remember nothing', () => {
  const made = settings(`${HEAD}profiles: [{schedulerName: a}]`);
  const remembering = () =>
    made?.profiles()[0]?.plugins.filter(({ name }) => ['VolumeBinding', 'DynamicResources'].includes(name)) ?? [];
  const [first, second] = [remembering(), remembering()];
  expect(first).toHaveLength(2);
  for (const [index, { reserve }] of first.entries()) expect(second[index]?.reserve).not.toBe(reserve);
});

test('without a file there are upstream’s defaults', () => {
  expect(schedulerSettings(new ApiServerFlags({}))).toBeUndefined();
});

test.each([
  ['a field that is not there', `${HEAD}profile: []`, 'unknown field "profile"'],
  ['a kind of another version', HEAD.replace('/v1', '/v1beta3'), 'is registered for version'],
  [
    'a value that is not allowed',
    `${HEAD}parallelism: -1`,
    'parallelism: Invalid value: -1: should be an integer value',
  ],
  [
    'a plugin that is not there',
    `${HEAD}profiles: [{plugins: {filter: {enabled: [{name: Mine}]}}}]`,
    'FilterPlugin "Mine" does not exist',
  ],
])('%s is refused, and the file is named', (_, text, message) => {
  expect(() => settings(text)).toThrow(message);
  expect(() => settings(text)).toThrow('--scheduler-config: ');
});

async function served(listener: RequestListener, ask: (url: string) => Promise<unknown>): Promise<unknown> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    return await ask(`http://127.0.0.1:${(server.address() as AddressInfo).port}/filter`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const ask =
  (timeoutMs = 60_000) =>
  (url: string) =>
    senderFor({ urlPrefix: url })(url, { a: 1 }, { timeoutMs });

test('an extender gets JSON, and its answer is read', async () => {
  const echo: RequestListener = (request, response) => {
    let text = '';
    request.on('data', (chunk) => {
      text += chunk;
    });
    request.on('end', () => response.end(`${request.method} ${request.headers['content-type']} ${text}`));
  };
  expect(await served(echo, ask())).toEqual({ code: 200, text: 'POST application/json {"a":1}' });
});

test('a redirect is not followed, and silence ends in time', async () => {
  const redirect: RequestListener = (_, response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end();
  expect(await served(redirect, ask())).toMatchObject({ code: 302 });
  expect(await served(() => undefined, ask(20))).toEqual({
    problem: 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)',
  });
  expect(await ask()('http://127.0.0.1:1/filter')).toEqual({
    problem: 'dial tcp 127.0.0.1:1: connect: connection refused',
  });
});
