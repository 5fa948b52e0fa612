/** What the API server says of itself outside of its resources: what there is, what it is, how it was started. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { type HttpsApiServer, startHttpsApiServer } from '../integration/https-api-server.ts';
import { RawClient, statusOf } from '../integration/raw-client.ts';

let server: HttpsApiServer;
let raw: RawClient;

beforeAll(async () => {
  server = await startHttpsApiServer({ serve: { flags: { 'request-timeout': '2m', 'goaway-chance': '0.01' } } });
  raw = new RawClient(server);
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
});

test('/ lists the paths that there are: groups, versions, checks, pages', async () => {
  const { stdout } = await server.kubectl(['get', '--raw', '/']);
  const { paths } = JSON.parse(stdout) as { paths: string[] };
  expect(paths).toEqual(
    expect.arrayContaining([
      '/.well-known/openid-configuration',
      '/api',
      '/api/v1',
      '/apis',
      '/apis/apps',
      '/apis/apps/v1',
      '/apis/autoscaling',
      '/apis/autoscaling/v1',
      '/apis/autoscaling/v2',
      '/flagz',
      '/healthz',
      '/healthz/ping',
      '/livez',
      '/livez/ping',
      '/metrics',
      '/metrics/slis',
      '/openapi/v2',
      '/openapi/v3',
      '/openid/v1/jwks',
      '/readyz',
      '/readyz/shutdown',
      '/statusz',
      '/version',
    ]),
  );
  expect(paths).toEqual([...paths].sort());
  for (const path of paths) expect([path, (await raw.ask(path)).code]).toEqual([path, 200]);
});

test('/version is for everybody, with the fields that clients choose their features by', async () => {
  const { code, text } = await raw.ask('/version', { as: undefined });
  expect(code).toBe(200);
  expect(JSON.parse(text)).toMatchObject({
    major: '1',
    minor: '36',
    gitVersion: expect.stringMatching(/^v1\.36\.\d+/),
    emulationMajor: '1',
    emulationMinor: '36',
    minCompatibilityMajor: '1',
    minCompatibilityMinor: '35',
    platform: expect.stringMatching(/^linux\/(amd64|arm64)$/),
  });
});

const as = (page: string, version = 'v1beta1', type = 'application/json') => ({
  headers: { accept: `${type};v=${version};g=config.k8s.io;as=${page}` },
});

test('/statusz says since when it runs, as text and as objects', async () => {
  const plain = await raw.ask('/statusz');
  expect([plain.code, plain.headers['content-type']]).toEqual([200, 'text/plain; charset=utf-8']);
  expect(plain.text).toMatch(
    /^\napiserver statusz\nWarning: This endpoint is not meant to be machine parseable, [\s\S]*\nUp: 0 hr \d\d min \d\d sec\n[\s\S]*\nBinary version: 1\.36\n/,
  );
  expect(plain.text).toContain('\nPaths: /flagz /healthz /livez /metrics /readyz /statusz /version\n');
  expect((await raw.ask('/statusz', { headers: { accept: 'text/plain' } })).text).toMatch(/^\napiserver statusz\n/);
  const answer = await raw.ask('/statusz', as('Statusz'));
  expect(answer.headers['warning']).toBeUndefined();
  const status = JSON.parse(answer.text);
  expect(status).toEqual({
    kind: 'Statusz',
    apiVersion: 'config.k8s.io/v1beta1',
    metadata: { name: 'apiserver' },
    startTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
    uptimeSeconds: expect.any(Number),
    goVersion: expect.any(String),
    binaryVersion: '1.36',
    emulationVersion: '1.36',
    paths: ['/flagz', '/healthz', '/livez', '/metrics', '/readyz', '/statusz', '/version'],
  });
  const yaml = await raw.ask('/statusz', as('Statusz', 'v1alpha1', 'application/yaml'));
  expect(parse(yaml.text)).toMatchObject({ kind: 'Statusz', apiVersion: 'config.k8s.io/v1alpha1' });
  expect(yaml.headers['warning']).toBe(
    '299 - "This version of the statusz endpoint is deprecated. Please use a newer version."',
  );
});

test('/flagz says with which flags it was started', async () => {
  expect((await raw.ask('/flagz')).text).toMatch(
    /^\napiserver flagz\nWarning: [^\n]*\ngoaway-chance=0\.01\nrequest-timeout=2m\n$/,
  );
  expect(JSON.parse((await raw.ask('/flagz', as('Flagz'))).text)).toEqual({
    kind: 'Flagz',
    apiVersion: 'config.k8s.io/v1beta1',
    metadata: { name: 'apiserver' },
    flags: { 'goaway-chance': '0.01', 'request-timeout': '2m' },
  });
});

test.each(['/statusz', '/flagz'])('%s has no other forms, and is for who may monitor', async (page) => {
  for (const accept of [
    'application/json',
    'application/json;v=v1;g=config.k8s.io;as=Statusz',
    'application/json;v=v1beta1;g=meta.k8s.io;as=Statusz',
  ]) {
    const refused = await raw.ask(page, { headers: { accept } });
    expect([accept, refused.code, statusOf(refused).message]).toEqual([
      accept,
      406,
      'only the following media types are accepted: application/json, application/yaml, text/plain',
    ]);
  }
  const jane = { name: 'jane', groups: ['system:authenticated'] };
  expect((await raw.ask(page, { as: jane })).code).toBe(403);
  expect((await raw.ask(page, { as: { ...jane, name: 'prometheus', groups: ['system:monitoring'] } })).code).toBe(200);
});
