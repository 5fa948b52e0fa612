import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Registry } from '#addons/images/registry.ts';
import { type RegistryServer, serveRegistry } from '#addons/images/registry-server.ts';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { BadArchive } from './archive-check.ts';
import { BadBlob, BlobStore, sha256 } from './blob-store.ts';
import { architecture, assembleImage, packImage } from './image.ts';
import { ImageFiles } from './image-files.ts';
import { makeLayer } from './layer.ts';
import { pushImage, pushTarget } from './push-image.ts';
import { readArchive } from './read-archive.ts';
import { textFile } from './tar-entry.ts';

let folder: string;
let store: BlobStore;
let registry: Registry;
let server: RegistryServer;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'push-'));
  store = new BlobStore(join(folder, 'store'), Date);
  registry = new Registry({ root: join(folder, 'registry'), clock: new ManualClock(), log: silentLog });
  await registry.start();
  const owner = process.getuid?.();
  server = await serveRegistry({ registry, port: 0, log: silentLog, nodeAddresses: [], isNode: () => false, owner });
});
afterEach(async () => {
  await server.close();
  await registry.close();
  rmSync(folder, { recursive: true, force: true });
});

const get = async (path: string) => (await fetch(`http://127.0.0.1:${server.port}/v2/${path}`)).json();

async function image(text: string) {
  const layers = [await makeLayer(store, [textFile('/common', 'x')]), await makeLayer(store, [textFile('/own', text)])];
  return assembleImage('localhost:1/team/web:1', layers, { cmd: [text] });
}

test('a name says where an image is pushed', () => {
  expect(pushTarget('localhost:5000/a/b:c')).toEqual({ host: 'localhost:5000', repository: 'a/b', tag: 'c' });
});

test('an image is pushed whole, and twice is as good as once', async () => {
  const target = { host: `localhost:${server.port}`, repository: 'team/web', tag: '1' };
  const one = await image('one');
  for (let i = 0; i < 2; i++) expect(await pushImage(one, target)).toBe(one.digest);
  expect(await get('team/web/manifests/1')).toEqual(JSON.parse(one.manifest.toString()));
  await pushImage(await image('two'), target);
  expect(await get('team/web/manifests/1')).not.toEqual(JSON.parse(one.manifest.toString()));
  expect(await get(`team/web/manifests/${one.digest}`)).toEqual(JSON.parse(one.manifest.toString()));
});

test('what the registry says against it is told', async () => {
  const target = { host: `localhost:${server.port}`, repository: 'BAD', tag: '1' };
  await expect(pushImage(await image('one'), target)).rejects.toThrow(
    `the registry localhost:${server.port} refused the image: invalid repository name (NAME_INVALID)`,
  );
  await expect(pushImage(await image('one'), { ...target, host: 'localhost:1' })).rejects.toThrow('cannot be reached');
});

test('an archive gives back the image that was packed, and one that lacks a blob none', async () => {
  const packed = await image('one');
  const other = new BlobStore(join(folder, 'other'), Date);
  const [read] = await readArchive(other, packImage(packed));
  expect(read).toMatchObject({ name: packed.name, digest: packed.digest });
  expect(read?.layers.map(({ digest }) => digest)).toEqual(packed.layers.map(({ digest }) => digest));
  const files = await ImageFiles.of(read?.layers ?? []);
  expect(await files.text('/own', other)).toBe('one');
  const [first, ...rest] = packed.layers;
  rmSync(other.pathOf(first?.digest ?? ''));
  await expect(readArchive(other, packImage({ ...packed, layers: rest }))).rejects.toThrow('its layer sha256:');
  await expect(readArchive(other, Readable.from([Buffer.from('no tar')]))).rejects.toThrow();
});

test('what an archive calls a digest leads to no file of this machine', async () => {
  await image('one'); // makes the store
  writeFileSync(join(folder, 'store', 'victim'), '{}');
  for (const digest of ['sha256:../../victim', '../store:../victim', 7]) {
    const packed = await image('one');
    const bent = [
      { ...packed, manifest: Buffer.from(JSON.stringify({ config: { digest }, layers: [] })) },
      {
        ...packed,
        manifest: Buffer.from(JSON.stringify({ config: { digest: sha256(packed.config) }, layers: [{ digest }] })),
      },
    ].map((each) => ({ ...each, digest: sha256(each.manifest), layers: [] }));
    for (const each of bent) await expect(readArchive(store, packImage(each))).rejects.toThrow(BadArchive);
  }
  expect(() => store.pathOf('sha256:../../victim')).toThrow(BadBlob);
});

test('of an index the image for this machine is taken, and none of another system', async () => {
  const [one, other] = [await image('one'), await image('other')];
  const platform = { architecture: architecture(), os: 'linux' };
  const manifests = [
    { digest: other.digest, size: 1, platform: { ...platform, os: 'windows' } },
    { digest: one.digest, size: 1, platform },
  ];
  const index = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests }));
  for (const part of [one.manifest, one.config, other.manifest, other.config]) await store.keep(Readable.from([part]));
  const packed = { ...one, manifest: index, digest: sha256(index) };
  expect((await readArchive(store, packImage(packed)))[0]?.digest).toBe(one.digest);
});

test('nobody else of this machine reads what is in an image', async () => {
  const { path } = (await image('one')).layers[0]!;
  expect(statSync(path).mode & 0o077).toBe(0);
  for (const part of ['blobs', 'blobs/sha256', 'keys'])
    expect(statSync(join(folder, 'store', part)).mode & 0o077).toBe(0);
});

test('layers that are compressed are read as well', async () => {
  const layer = await makeLayer(store, [textFile('/file', 'inside')]);
  const packed = await store.keep(Readable.from([gzipSync(readFileSync(layer.path))]));
  const mediaType = 'application/vnd.oci.image.layer.v1.tar+gzip';
  const whole = assembleImage('a.b/c:1', [{ ...packed, mediaType, diffId: layer.digest }], {});
  expect(JSON.parse(whole.config.toString()).rootfs.diff_ids).toEqual([layer.digest]);
  expect(JSON.parse(whole.manifest.toString()).layers[0]).toMatchObject({ mediaType, digest: packed.digest });
  const files = await ImageFiles.of(whole.layers);
  expect(await files.text('/file', store)).toBe('inside');
});
