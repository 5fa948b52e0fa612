import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { appendFileSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync } from 'node:fs';
import { type IncomingHttpHeaders, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { Registry } from './registry.ts';
import { type RegistryServer, serveRegistry } from './registry-server.ts';

const PATIENCE = { timeout: 20_000, interval: 5 };
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const INDEX = 'application/vnd.oci.image.index.v1+json';
const digestOf = (bytes: string | Buffer) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

let root: string;
let clock: ManualClock;
let registry: Registry;
let server: RegistryServer;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'registry-'));
  clock = new ManualClock(Date.now());
  registry = new Registry({ root, clock, log: silentLog, limits: { uploads: 3, blobBytes: 100_000, freeBytes: 0 } });
  await registry.start();
  server = await serveRegistry({
    registry,
    port: 0,
    log: silentLog,
    nodeAddresses: [],
    isNode: () => false,
    owner: process.getuid?.(),
  });
});
afterEach(async () => {
  await server.close();
  await registry.close();
  rmSync(root, { recursive: true, force: true });
});

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

function ask(
  method: string,
  path: string,
  { body, headers = {} }: { body?: string | Buffer; headers?: Record<string, string> } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { host: '127.0.0.1', port: server.port, method, path, headers, agent: false },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
        );
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

const codeOf = ({ body }: Answer): string => JSON.parse(body.toString()).errors[0].code;

async function pushBlob(repository: string, content: string | Buffer): Promise<string> {
  const digest = digestOf(content);
  const { status } = await ask('POST', `/v2/${repository}/blobs/uploads/?digest=${digest}`, { body: content });
  expect(status).toBe(201);
  return digest;
}

interface Pushed {
  digest: string;
  answer: Answer;
}

async function pushImage(repository: string, tag: string, more: object = {}): Promise<Pushed> {
  const config = await pushBlob(repository, `{"of":"${tag}"}`);
  const layer = await pushBlob(repository, `layer of ${tag}`);
  const body = JSON.stringify({
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: config, size: 10 },
    layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: layer, size: 10 }],
    ...more,
  });
  const digest = digestOf(body);
  const reference = tag || digest;
  const answer = await ask('PUT', `/v2/${repository}/manifests/${reference}`, {
    body,
    headers: { 'content-type': MANIFEST },
  });
  return { digest, answer };
}

describe('blobs', () => {
  test('the base says which interface it speaks', async () => {
    const { status, headers } = await ask('GET', '/v2/');
    expect(status).toBe(200);
    expect(headers['docker-distribution-api-version']).toBe('registry/2.0');
  });

  test('a blob that was sent at once is read whole, in ranges, and asked for without being sent', async () => {
    const digest = await pushBlob('a/b', '0123456789');
    const whole = await ask('GET', `/v2/a/b/blobs/${digest}`);
    expect([whole.status, whole.body.toString(), whole.headers['docker-content-digest']]).toEqual([
      200,
      '0123456789',
      digest,
    ]);
    const head = await ask('HEAD', `/v2/a/b/blobs/${digest.replace(':', '%3A')}`);
    expect([head.status, head.headers['content-length'], head.body.length]).toEqual([200, '10', 0]);
    for (const [range, text] of [
      ['bytes=2-4', '234'],
      ['bytes=7-', '789'],
      ['bytes=-2', '89'],
      ['bytes=8-99', '89'],
    ] as const) {
      const part = await ask('GET', `/v2/a/b/blobs/${digest}`, { headers: { range } });
      expect([part.status, part.body.toString()]).toEqual([206, text]);
    }
    const beyond = await ask('GET', `/v2/a/b/blobs/${digest}`, { headers: { range: 'bytes=10-' } });
    expect([beyond.status, beyond.headers['content-range']]).toEqual([416, 'bytes */10']);
  });

  test('a blob in chunks says after each how much is here, and refuses one that does not follow', async () => {
    const begun = await ask('POST', '/v2/web/blobs/uploads/');
    expect([begun.status, begun.headers.range]).toEqual([202, '0-0']);
    const at = begun.headers.location ?? '';
    const first = await ask('PATCH', at, { body: 'abc', headers: { 'content-range': '0-2' } });
    expect([first.status, first.headers.range]).toEqual([202, '0-2']);
    const gap = await ask('PATCH', at, { body: 'xyz', headers: { 'content-range': '5-7' } });
    expect(gap.status).toBe(416);
    const shown = await ask('GET', at);
    expect([shown.status, shown.headers.range]).toEqual([204, '0-2']);
    const digest = digestOf('abcdef');
    const last = await ask('PUT', `${at}?digest=${digest}`, { body: 'def', headers: { 'content-range': '3-5' } });
    expect([last.status, last.headers.location]).toEqual([201, `/v2/web/blobs/${digest}`]);
    expect((await ask('GET', `/v2/web/blobs/${digest}`)).body.toString()).toBe('abcdef');
    expect(codeOf(await ask('GET', at))).toBe('BLOB_UPLOAD_UNKNOWN');
  });

  test('bytes that are not what their digest says are not kept', async () => {
    const digest = digestOf('something else');
    const answer = await ask('POST', `/v2/web/blobs/uploads/?digest=${digest}`, { body: 'abc' });
    expect([answer.status, codeOf(answer)]).toEqual([400, 'DIGEST_INVALID']);
    expect((await ask('HEAD', `/v2/web/blobs/${digest}`)).status).toBe(404);
    expect(readdirSync(join(root, 'uploads'))).toEqual([]);
  });

  test('a repository shows only what was pushed or mounted to it, and the bytes are there once', async () => {
    const digest = await pushBlob('one', 'shared bytes');
    expect((await ask('GET', `/v2/two/blobs/${digest}`)).status).toBe(404);
    const lost = await ask('POST', `/v2/two/blobs/uploads/?mount=${digest}&from=three`);
    expect(lost.status).toBe(202); // an ordinary upload then
    const mounted = await ask('POST', `/v2/two/blobs/uploads/?mount=${digest}&from=one`);
    expect([mounted.status, mounted.headers.location]).toEqual([201, `/v2/two/blobs/${digest}`]);
    expect((await ask('GET', `/v2/two/blobs/${digest}`)).body.toString()).toBe('shared bytes');
    const stored = readdirSync(join(root, 'blobs'), { recursive: true, withFileTypes: true }).filter((e) => e.isFile());
    expect(stored.map(({ name }) => `sha256:${name}`)).toEqual([digest]);
    const [{ parentPath = '', name = '' } = {}] = stored;
    expect(statSync(join(parentPath, name)).mode & 0o777).toBe(0o600);
    expect((await ask('DELETE', `/v2/one/blobs/${digest}`)).status).toBe(202);
    expect((await ask('GET', `/v2/one/blobs/${digest}`)).status).toBe(404);
    expect((await ask('GET', `/v2/two/blobs/${digest}`)).status).toBe(200);
  });

  test('a blob larger than allowed is given up, and no more uploads than allowed are open', async () => {
    const large = randomBytes(100_001);
    const answer = await ask('POST', `/v2/web/blobs/uploads/?digest=${digestOf(large)}`, { body: large });
    expect([answer.status, codeOf(answer)]).toEqual([413, 'SIZE_INVALID']);
    for (let i = 0; i < 3; i++) expect((await ask('POST', '/v2/web/blobs/uploads/')).status).toBe(202);
    expect((await ask('POST', '/v2/web/blobs/uploads/')).status).toBe(429);
    clock.advance(2 * 3_600_000);
    await registry.tidy();
    expect(readdirSync(join(root, 'uploads'))).toEqual([]);
    expect((await ask('POST', '/v2/web/blobs/uploads/')).status).toBe(202);
  });

  test('a draft that is not what was received becomes no blob: a disk that was full has taken a part of it', async () => {
    const { headers } = await ask('POST', '/v2/web/blobs/uploads/');
    const at = headers.location ?? '';
    await ask('PATCH', at, { body: 'abc' });
    const [draft = ''] = readdirSync(join(root, 'uploads'));
    appendFileSync(join(root, 'uploads', draft), 'half');
    const digest = digestOf('abcdef');
    const last = await ask('PUT', `${at}?digest=${digest}`, { body: 'def' });
    expect([last.status, codeOf(last)]).toEqual([400, 'BLOB_UPLOAD_INVALID']);
    expect((await ask('HEAD', `/v2/web/blobs/${digest}`)).status).toBe(404);
    expect(readdirSync(join(root, 'uploads'))).toEqual([]);
  });

  test('nothing is left of a blob that was to be sent at once and broke off: nobody can go on with it', async () => {
    const drafts = () => readdirSync(join(root, 'uploads')).length;
    for (let i = 0; i < 4; i++) {
      const path = `/v2/web/blobs/uploads/?digest=${digestOf('abcdef')}`;
      const outgoing = request({ host: '127.0.0.1', port: server.port, method: 'POST', path, agent: false });
      outgoing.on('error', () => undefined); // we end it
      outgoing.setHeader('content-length', 6);
      outgoing.write('abc');
      await vi.waitFor(() => expect(drafts()).toBe(1), PATIENCE);
      outgoing.destroy();
      await vi.waitFor(() => expect(drafts()).toBe(0), PATIENCE);
    }
  });

  test('an upload can be called off', async () => {
    const { headers } = await ask('POST', '/v2/web/blobs/uploads/');
    expect((await ask('DELETE', headers.location ?? '')).status).toBe(204);
    expect((await ask('DELETE', headers.location ?? '')).status).toBe(404);
  });
});

describe('manifests', () => {
  test('a manifest is had by tag and by digest, with the type under which it came', async () => {
    const { digest, answer } = await pushImage('web', '1');
    expect([answer.status, answer.headers['docker-content-digest']]).toEqual([201, digest]);
    for (const reference of ['1', digest]) {
      const got = await ask('GET', `/v2/web/manifests/${reference}`);
      expect([got.status, got.headers['content-type'], digestOf(got.body)]).toEqual([200, MANIFEST, digest]);
      const head = await ask('HEAD', `/v2/web/manifests/${reference}`);
      expect([head.status, head.headers['docker-content-digest'], head.body.length]).toEqual([200, digest, 0]);
    }
    expect(codeOf(await ask('GET', '/v2/web/manifests/2'))).toBe('MANIFEST_UNKNOWN');
  });

  test('blobs and manifests may be called by sha512, and stay as long as their image', async () => {
    const sha512 = (bytes: string) => `sha512:${createHash('sha512').update(bytes).digest('hex')}`;
    const layer = sha512('a layer');
    const path = '/v2/long/blobs/uploads/';
    const wrong = await ask('POST', `${path}?digest=${sha512('another')}`, { body: 'a layer' });
    expect([wrong.status, codeOf(wrong)]).toEqual([400, 'DIGEST_INVALID']);
    expect((await ask('POST', `${path}?digest=${layer}`, { body: 'a layer' })).status).toBe(201);
    const config = await pushBlob('long', '{}');
    const body = JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: config, size: 2 },
      layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: layer, size: 7 }],
    });
    const at = `/v2/long/manifests/${sha512(body)}`;
    const put = await ask('PUT', at, { body, headers: { 'content-type': MANIFEST } });
    expect([put.status, put.headers['docker-content-digest']]).toEqual([201, sha512(body)]);
    clock.advance(48 * 3_600_000);
    await registry.tidy();
    expect((await ask('GET', at)).body.toString()).toBe(body);
    expect((await ask('GET', `/v2/long/blobs/${layer}`)).body.toString()).toBe('a layer');
    expect((await ask('DELETE', at)).status).toBe(202);
    expect((await ask('GET', at)).status).toBe(404);
  });

  test('a manifest whose blobs are not here is refused', async () => {
    const answer = (await pushImage('web', '1', { layers: [{ mediaType: 'x', digest: digestOf('no'), size: 1 }] }))
      .answer;
    expect([answer.status, codeOf(answer)]).toEqual([404, 'MANIFEST_BLOB_UNKNOWN']);
  });

  test.each([
    ['not JSON', '{'],
    ['a list', '[]'],
    ['of the first schema', '{"schemaVersion":1}'],
    ['of an unknown type', '{"schemaVersion":2,"mediaType":"text/plain"}'],
    ['without a config', `{"schemaVersion":2,"mediaType":"${MANIFEST}","layers":[]}`],
  ])('a manifest that is %s is refused', async (_, body) => {
    const answer = await ask('PUT', '/v2/web/manifests/1', { body });
    expect([answer.status, codeOf(answer)]).toEqual([400, 'MANIFEST_INVALID']);
  });

  test('a manifest that is too large is refused before it is read', async () => {
    const answer = await ask('PUT', '/v2/web/manifests/1', { body: Buffer.alloc((4 << 20) + 1, 32) });
    expect(answer.status).toBe(413);
  });

  test('an index lists manifests, also of platforms that are not here', async () => {
    const { digest } = await pushImage('web', 'amd64');
    const manifests = [digest, digestOf('arm64')].map((each) => ({ mediaType: MANIFEST, digest: each, size: 1 }));
    const body = JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests });
    const put = await ask('PUT', '/v2/web/manifests/all', { body, headers: { 'content-type': INDEX } });
    expect(put.status).toBe(201);
    expect((await ask('GET', '/v2/web/manifests/all')).headers['content-type']).toBe(INDEX);
  });

  test('tags are listed in order and in pages', async () => {
    for (const tag of ['c', 'a', 'B']) await pushImage('web', tag);
    const all = await ask('GET', '/v2/web/tags/list');
    expect(JSON.parse(all.body.toString())).toEqual({ name: 'web', tags: ['B', 'a', 'c'] });
    const first = await ask('GET', '/v2/web/tags/list?n=2');
    expect(JSON.parse(first.body.toString()).tags).toEqual(['B', 'a']);
    expect(first.headers.link).toBe('</v2/web/tags/list?n=2&last=a>; rel="next"');
    const rest = await ask('GET', '/v2/web/tags/list?n=2&last=a');
    expect([JSON.parse(rest.body.toString()).tags, rest.headers.link]).toEqual([['c'], undefined]);
    expect(JSON.parse((await ask('GET', '/v2/web/tags/list?n=0')).body.toString()).tags).toEqual([]);
    expect(codeOf(await ask('GET', '/v2/none/tags/list'))).toBe('NAME_UNKNOWN');
    expect(JSON.parse((await ask('GET', '/v2/_catalog')).body.toString())).toEqual({ repositories: ['web'] });
  });

  test('by tag a tag is deleted, by digest the manifest and all of its tags', async () => {
    const { digest } = await pushImage('web', '1');
    const body = (await ask('GET', '/v2/web/manifests/1')).body;
    await ask('PUT', '/v2/web/manifests/latest', { body, headers: { 'content-type': MANIFEST } });
    expect((await ask('DELETE', '/v2/web/manifests/1')).status).toBe(202);
    expect((await ask('GET', '/v2/web/manifests/1')).status).toBe(404);
    expect((await ask('GET', `/v2/web/manifests/${digest}`)).status).toBe(200);
    expect((await ask('DELETE', `/v2/web/manifests/${digest}`)).status).toBe(202);
    expect((await ask('GET', '/v2/web/manifests/latest')).status).toBe(404);
    expect((await ask('DELETE', `/v2/web/manifests/${digest}`)).status).toBe(404);
  });

  test('what is attached to a manifest is found from it, by type', async () => {
    const { digest } = await pushImage('web', '1');
    const subject = { mediaType: MANIFEST, digest, size: 1 };
    const signed = await pushImage('web', '', {
      subject,
      artifactType: 'example/signature',
      annotations: { by: 'me' },
    });
    await pushImage('web', 'bill', { subject, artifactType: 'example/bill' });
    expect([signed.answer.status, signed.answer.headers['oci-subject']]).toEqual([201, digest]);
    const all = await ask('GET', `/v2/web/referrers/${digest}`);
    const found = JSON.parse(all.body.toString());
    expect([all.headers['content-type'], found.mediaType, found.manifests.length]).toEqual([INDEX, INDEX, 2]);
    const some = await ask('GET', `/v2/web/referrers/${digest}?artifactType=example%2Fsignature`);
    expect(some.headers['oci-filters-applied']).toBe('artifactType');
    expect(JSON.parse(some.body.toString()).manifests).toMatchObject([
      { digest: signed.digest, artifactType: 'example/signature', annotations: { by: 'me' } },
    ]);
    await ask('DELETE', `/v2/web/manifests/${signed.digest}`);
    expect(JSON.parse((await ask('GET', `/v2/web/referrers/${digest}`)).body.toString()).manifests).toHaveLength(1);
    const none = await ask('GET', `/v2/web/referrers/${digestOf('none')}`);
    expect([none.status, JSON.parse(none.body.toString()).manifests]).toEqual([200, []]);
  });

  test('what a manifest is pushed over counts as used, also by who did not ask whether it is here', async () => {
    const { digest } = await pushImage('web', '1');
    const blobs = () =>
      readdirSync(join(root, 'blobs'), { recursive: true, withFileTypes: true }).filter((e) => e.isFile());
    const manifest = (await ask('GET', '/v2/web/manifests/1')).body;
    await ask('DELETE', `/v2/web/manifests/${digest}`);
    const old = new Date(clock.now() - 25 * 3_600_000);
    for (const { parentPath, name } of blobs()) utimesSync(join(parentPath, name), old, old);
    const again = await ask('PUT', '/v2/web/manifests/1', { body: manifest, headers: { 'content-type': MANIFEST } });
    expect(again.status).toBe(201);
    const youngest = blobs().map(({ parentPath, name }) => statSync(join(parentPath, name)).mtimeMs);
    expect(Math.min(...youngest)).toBeGreaterThan(old.getTime());
  });

  test('bytes that no manifest needs go after a day, those of an image stay', async () => {
    const kept = await pushImage('web', '1');
    const gone = await pushImage('web', '2');
    await ask('DELETE', `/v2/web/manifests/${gone.digest}`);
    const ages = () =>
      readdirSync(join(root, 'blobs'), { recursive: true, withFileTypes: true }).filter((e) => e.isFile());
    expect(ages()).toHaveLength(6);
    await registry.tidy();
    expect(ages()).toHaveLength(6); // a push may be under way
    const old = new Date(clock.now() - 25 * 3_600_000);
    for (const { parentPath, name } of ages()) utimesSync(join(parentPath, name), old, old);
    clock.advance(7 * 3_600_000);
    await registry.tidy();
    expect(ages()).toHaveLength(3);
    expect((await ask('GET', `/v2/web/manifests/${kept.digest}`)).status).toBe(200);
    expect((await ask('GET', `/v2/web/blobs/${digestOf('layer of 1')}`)).status).toBe(200);
    expect((await ask('HEAD', `/v2/web/blobs/${digestOf('layer of 2')}`)).status).toBe(404);
  });
});

describe('what is not taken', () => {
  test('another user of this machine, who may not even read: images may hold what is nobody else’s business', async () => {
    await pushImage('web', '1');
    const isOwner = process.getuid?.() === 0 ? undefined : -1; // root always may: another asks then
    const options = { registry, port: 0, log: silentLog, nodeAddresses: [], isNode: () => false, owner: isOwner };
    const other = await serveRegistry(options);
    const at = `http://127.0.0.1:${other.port}/v2/web`;
    const asked = [
      ['GET', '/manifests/1'],
      ['HEAD', '/manifests/1'],
      ['DELETE', '/manifests/1'],
      ['PUT', '/manifests/2'],
      ['POST', '/blobs/uploads/'],
    ].map(([method, path]) => `(await fetch('${at}${path}', { method: '${method}' })).status`);
    const program = `(async () => console.log(JSON.stringify([${asked.join(', ')}])))()`;
    try {
      const as = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
      const { stdout } = await promisify(execFile)(process.execPath, ['-e', program], { cwd: '/', ...as });
      expect(JSON.parse(stdout)).toEqual([403, 403, 403, 403, 403]);
    } finally {
      await other.close();
    }
  });

  test.each([
    '/v2/UPPER/tags/list',
    '/v2/a//b/tags/list',
    '/v2/_blobs/tags/list',
    '/v2/a/..%2f..%2fetc/tags/list',
    '/v2/%zz/tags/list',
    `/v2/${'a'.repeat(256)}/tags/list`,
  ])('the name in %s', async (path) => {
    const answer = await ask('GET', path);
    expect([answer.status, codeOf(answer)]).toEqual([400, 'NAME_INVALID']);
  });

  test.each([
    ['GET', '/v2/web/blobs/sha256:..%2f..%2fx', 'UNSUPPORTED'],
    ['GET', '/v2/web/blobs/sha256:..', 'DIGEST_INVALID'],
    ['GET', '/v2/web/blobs/sha512:abc', 'DIGEST_INVALID'],
    ['GET', '/v2/web/manifests/..%2fx', 'UNSUPPORTED'],
    ['GET', '/v2/web/manifests/.hidden', 'MANIFEST_INVALID'],
    ['GET', '/v2/web/blobs/uploads/not-one', 'BLOB_UPLOAD_UNKNOWN'],
    ['GET', '/elsewhere', 'UNSUPPORTED'],
    ['POST', '/v2/web/tags/list', 'UNSUPPORTED'],
  ])('%s %s', async (method, path, code) => {
    const answer = await ask(method, path);
    expect(codeOf(answer)).toBe(code);
    expect(answer.status).toBeGreaterThanOrEqual(400);
  });

  test('a page in a browser, under whatever name', async () => {
    const odd: Record<string, string>[] = [{ origin: 'http://localhost' }, { host: 'evil.example:5000' }];
    for (const headers of odd) {
      const answer = await ask('GET', '/v2/_catalog', { headers });
      expect([answer.status, codeOf(answer)]).toEqual([403, 'DENIED']);
    }
  });
});
