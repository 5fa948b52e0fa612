import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Container, Pod, Secret } from '#api/generated/schema.ts';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import type { AuthConfig, Image } from '#node/runtime/image.ts';
import type { ContainerRuntime } from '#node/runtime/runtime.ts';
import { RuntimeError } from '#node/runtime/runtime-error.ts';
import { ImageFailed, Images } from '../images.ts';
import { Limiter } from '../limiter.ts';
import type { PodEvents } from '../pod-events.ts';
import { ImageAccess, type VerificationPolicy } from './image-access.ts';
import { PullRecords } from './pull-records.ts';

let root: string;
const told: string[] = [];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'images-'));
  told.length = 0;
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const tell = (_pod: unknown, _container: unknown, reason: string, message: string) =>
  void told.push(`${reason}: ${message}`);
const silent = { normal: tell, warning: tell } as unknown as PodEvents;
const pod = (uid = 'u') =>
  ({ metadata: { uid, name: uid, namespace: 'n' }, spec: { containers: [] } }) as unknown as Pod;
const container = (image: string) => ({ name: 'main', image, imagePullPolicy: 'Always' }) as Container;
const inputs = (pullSecrets: Secret[] = []) => ({ pullSecrets, signal: new AbortController().signal });

const secret = (server: string, username: string): Secret =>
  ({
    type: 'kubernetes.io/dockerconfigjson',
    metadata: { name: username, uid: username },
    data: {
      '.dockerconfigjson': Buffer.from(JSON.stringify({ auths: { [server]: { username, password: 'p' } } })).toString(
        'base64',
      ),
    },
  }) as unknown as Secret;

/** Lets in whoever has one of these names; says nothing until it is let go on. */
function registry(known: readonly string[]) {
  const tried: (string | undefined)[] = [];
  const waiting: (() => void)[] = [];
  let isHeld = false;
  const runtime = {
    imageStatus: async () => ({ id: 'sha256:x', sizeBytes: 1 }),
    async pullImage(name: string, auth?: AuthConfig) {
      tried.push(auth?.username);
      if (isHeld) await new Promise<void>((go) => waiting.push(go));
      if (known.length > 0 && !known.includes(auth?.username ?? ''))
        throw new RuntimeError('Unknown', '401 Unauthorized');
      return name;
    },
  } as unknown as ContainerRuntime;
  const hold = () => {
    isHeld = true;
  };
  return { runtime, tried, waiting, hold };
}

interface More {
  limit?: number;
  provided?: string[];
  account?: string;
  policy?: VerificationPolicy;
  allowed?: string[];
}

function imagesOf(runtime: ContainerRuntime, { limit = 10, provided = [], account, policy, allowed = [] }: More = {}) {
  const clock = new ManualClock();
  const records = new PullRecords(root, { clock, log: silentLog, images: () => runtime.listImages() });
  const access = new ImageAccess({ records, policy: policy ?? 'NeverVerifyPreloadedImages', allowed });
  const source = account ? { serviceAccount: { uid: account, namespace: 'n', name: account } } : 'everybody';
  const credentialsFor = async () =>
    provided.map((username) => ({ auth: { username, password: 'p' }, source }) as const);
  const pulls = new Limiter(limit);
  const images = new Images({ runtime, clock, events: silent, pulls, records, access, providers: { credentialsFor } });
  return Object.assign(images, { records });
}

test("the pod's own secrets are tried first, then what programs know, each until one is let in", async () => {
  const { runtime, tried } = registry(['program-2']);
  const images = imagesOf(runtime, { provided: ['program-1', 'program-2', 'program-3'] });
  const secrets = [
    secret('reg.example.com', 'wide'),
    secret('reg.example.com/team', 'narrow'),
    secret('other', 'other'),
  ];
  await images.ensure(pod(), container('reg.example.com/team/web:1'), inputs(secrets));
  expect(tried).toEqual(['narrow', 'wide', 'program-1', 'program-2']);
});

test('without any that fits it is asked as nobody, and the refusal backs off', async () => {
  const { runtime, tried } = registry(['somebody']);
  const images = imagesOf(runtime);
  const attempt = () => images.ensure(pod(), container('reg.example.com/web:1'), inputs([secret('other', 'other')]));
  await expect(attempt()).rejects.toMatchObject({ reason: 'ErrImagePull', message: '401 Unauthorized' });
  await expect(attempt()).rejects.toBeInstanceOf(ImageFailed);
  await expect(attempt()).rejects.toMatchObject({
    reason: 'ImagePullBackOff',
    message: 'Back-off pulling image "reg.example.com/web:1": ErrImagePull: 401 Unauthorized',
  });
  expect(tried).toEqual([undefined]);
});

test('no more than so many pulls are under way, and one image is pulled once for all who wait', async () => {
  const { runtime, tried, waiting, hold } = registry([]);
  hold();
  const images = imagesOf(runtime, { limit: 2 });
  const names = ['a', 'a', 'b', 'c', 'd'];
  const all = Promise.all(
    names.map((name, at) => images.ensure(pod(`u${at}`), container(`reg.example.com/${name}:1`), inputs())),
  );
  await expect.poll(() => waiting.length).toBe(2);
  expect(tried).toHaveLength(2);
  waiting.shift()?.();
  await expect.poll(() => tried.length).toBe(3);
  const letAllGo = setInterval(() => waiting.shift()?.(), 1);
  await all;
  clearInterval(letAllGo);
  expect(tried).toHaveLength(4);
});

/** A node's runtime with what is on it, and a registry behind it that lets these in; without any: everybody. */
function nodeWith(present: readonly Image[], known: readonly string[] = []) {
  const here = new Map(present.flatMap((image) => image.repoTags.map((tag) => [tag, image])));
  const pulled: string[] = [];
  const runtime = {
    imageStatus: async (name: string) => here.get(name),
    listImages: async () => [...here.values()],
    async pullImage(name: string, auth?: AuthConfig) {
      pulled.push(`${name} ${auth?.username ?? ''}`.trim());
      if (known.length > 0 && !known.includes(auth?.username ?? ''))
        throw new RuntimeError('Unknown', '401 Unauthorized');
      if (!here.has(name)) here.set(name, image(idOf(name), name));
      return name;
    },
  } as unknown as ContainerRuntime;
  return { runtime, pulled, here };
}

const idOf = (name: string) => `sha256:${createHash('sha256').update(name).digest('hex')}`;
const image = (id: string, ...repoTags: string[]): Image => ({
  id,
  repoTags,
  repoDigests: [],
  sizeBytes: 7,
  uid: undefined,
  username: '',
  pinned: false,
});
const ifAbsent = (name: string) => ({ ...container(name), imagePullPolicy: 'IfNotPresent' }) as Container;
const never = (name: string) => ({ ...container(name), imagePullPolicy: 'Never' }) as Container;
const IMAGE = 'reg.example.com/web:1';
const PRESENT = `Pulled: Container image "${IMAGE}" already present on machine and can be accessed by the pod`;

describe('who may have what is on the node', () => {
  test('what somebody put there is for everybody, and nothing is pulled or written for it', async () => {
    const { runtime, pulled } = nodeWith([image('sha256:1', IMAGE)], ['nobody']);
    const images = imagesOf(runtime);
    await images.ensure(pod(), ifAbsent(IMAGE), inputs());
    await images.ensure(pod(), never(IMAGE), inputs());
    expect([pulled, told]).toEqual([[], [PRESENT, PRESENT]]);
    expect(readdirSync(join(root, 'image_manager/pulled'))).toEqual([]);
  });

  test('what was looked for before it came is not pulled again; what was seen is not looked for again', async () => {
    const { runtime, pulled } = nodeWith([]);
    const images = imagesOf(runtime);
    const [first, second] = [ifAbsent(IMAGE), ifAbsent(IMAGE)];
    const [seenByFirst, seenBySecond] = [images.look(first), images.look(second)];
    await images.ensure(pod(), first, { ...inputs(), seen: seenByFirst });
    await images.ensure(pod(), second, { ...inputs(), seen: seenBySecond });
    expect([pulled, told.at(-1)]).toEqual([[IMAGE], PRESENT]);
    const asked = vi.spyOn(runtime, 'imageStatus');
    await images.ensure(pod(), second, { ...inputs(), seen: images.look(second) });
    expect(asked).toHaveBeenCalledTimes(1);
  });

  test('what was pulled with a secret is for pods with this secret; others must show that they may pull it', async () => {
    const { runtime, pulled } = nodeWith([], ['alice', 'bob']);
    const images = imagesOf(runtime);
    await images.ensure(pod('a'), ifAbsent(IMAGE), inputs([secret('reg.example.com', 'alice')]));
    await images.ensure(pod('b'), ifAbsent(IMAGE), inputs([secret('reg.example.com', 'alice')]));
    expect(pulled).toEqual([`${IMAGE} alice`]);
    expect(told.at(-1)).toBe(PRESENT);
    await expect(images.ensure(pod('c'), ifAbsent(IMAGE), inputs())).rejects.toMatchObject({ reason: 'ErrImagePull' });
    await images.ensure(pod('d'), ifAbsent(IMAGE), inputs([secret('reg.example.com', 'bob')]));
    expect(pulled).toEqual([`${IMAGE} alice`, IMAGE, `${IMAGE} bob`]);
    await images.ensure(pod('e'), never(IMAGE), inputs([secret('reg.example.com', 'bob')]));
    expect(pulled).toHaveLength(3);
  });

  test('with a policy of Never who may not have it hears that it is not there', async () => {
    const { runtime } = nodeWith([], ['alice']);
    const images = imagesOf(runtime);
    await images.ensure(pod('a'), ifAbsent(IMAGE), inputs([secret('reg.example.com', 'alice')]));
    const message = `Container image "${IMAGE}" is not present with pull policy of Never`;
    await expect(images.ensure(pod('b'), never(IMAGE), inputs())).rejects.toMatchObject({
      reason: 'ErrImageNeverPull',
      message,
    });
    expect(told.at(-1)).toBe(`ErrImageNeverPull: ${message}`);
  });

  test('the same password in another secret is as good, and another one in the same secret too', async () => {
    const { runtime, pulled } = nodeWith([], ['alice']);
    const images = imagesOf(runtime);
    const named = (uid: string, username: string) => {
      const { metadata, ...rest } = secret('reg.example.com', username);
      return { ...rest, metadata: { ...metadata, uid, name: uid } } as Secret;
    };
    for (const [uid, username] of [
      ['1', 'alice'],
      ['2', 'alice'],
      ['2', 'rotated'],
      ['3', 'rotated'],
    ] as const)
      await images.ensure(pod(), ifAbsent(IMAGE), inputs([named(uid, username)]));
    expect(pulled).toEqual([`${IMAGE} alice`]);
    await expect(images.ensure(pod(), ifAbsent(IMAGE), inputs([named('4', 'other')]))).rejects.toThrow('401');
  });

  test('what took no password is for everybody; what an account got is for pods of this account', async () => {
    const open = nodeWith([]);
    const images = imagesOf(open.runtime);
    await images.ensure(pod('a'), ifAbsent(IMAGE), inputs());
    await images.ensure(pod('b'), ifAbsent(IMAGE), inputs());
    expect(open.pulled).toEqual([IMAGE]);
    const { runtime, pulled } = nodeWith([], ['token']);
    const other = 'reg.example.com/other:1';
    const withAccount = (account: string) => imagesOf(runtime, { provided: ['token'], account });
    await withAccount('builder').ensure(pod('a'), ifAbsent(other), inputs());
    await withAccount('builder').ensure(pod('b'), ifAbsent(other), inputs());
    expect(pulled).toEqual([`${other} token`]);
    await withAccount('stranger').ensure(pod('c'), ifAbsent(other), inputs());
    expect(pulled).toHaveLength(2);
  });

  test('the next kubelet knows it, in files of upstream; a pull that was cut off makes nothing open', async () => {
    const { runtime, pulled, here } = nodeWith([], ['alice']);
    const alice = inputs([secret('reg.example.com', 'alice')]);
    await imagesOf(runtime).ensure(pod('a'), ifAbsent(IMAGE), alice);
    const [name = ''] = readdirSync(join(root, 'image_manager/pulled'));
    expect(JSON.parse(readFileSync(join(root, 'image_manager/pulled', name), 'utf8'))).toEqual({
      kind: 'ImagePulledRecord',
      apiVersion: 'kubelet.config.k8s.io/v1beta1',
      lastUpdatedTime: expect.stringMatching(/^\d{4}-.*:\d\dZ$/),
      imageRef: idOf(IMAGE),
      credentialMapping: {
        'reg.example.com/web': {
          kubernetesSecrets: [
            { uid: 'alice', name: 'alice', namespace: '', credentialHash: expect.stringMatching(/^[0-9a-f]{64}$/) },
          ],
        },
      },
    });
    expect(readdirSync(join(root, 'image_manager/pulling'))).toEqual([]);
    await imagesOf(runtime).ensure(pod('b'), ifAbsent(IMAGE), alice);
    expect(pulled).toHaveLength(1);
    const other = 'reg.example.com/cut:1';
    await imagesOf(runtime).records.begin(other);
    here.set(other, image('sha256:cut', other));
    await expect(imagesOf(runtime).ensure(pod('c'), ifAbsent(other), inputs())).rejects.toThrow('401');
    expect(readdirSync(join(root, 'image_manager/pulling'))).toEqual([]);
    await imagesOf(runtime).ensure(pod('d'), ifAbsent(other), alice);
  });

  test('a name under which the same bytes were put there stays open, whatever was pulled under another', async () => {
    const { runtime, pulled, here } = nodeWith([], ['alice']);
    const images = imagesOf(runtime);
    await images.ensure(pod(), ifAbsent(IMAGE), inputs([secret('reg.example.com', 'alice')]));
    const both = image(idOf(IMAGE), IMAGE, 'kedge.local/web:1');
    for (const name of [IMAGE, 'kedge.local/web:1', both.id]) here.set(name, both);
    await images.ensure(pod(), ifAbsent('kedge.local/web:1'), inputs());
    expect(pulled).toHaveLength(1);
    await expect(images.ensure(pod(), ifAbsent(both.id), inputs())).rejects.toThrow('401');
  });

  test('a runtime that does not answer yet is asked again what an earlier life has pulled', async () => {
    const other = 'reg.example.com/web:half';
    const { runtime } = nodeWith([image('sha256:1', other)]);
    const earlier = imagesOf(runtime).records;
    await earlier.load();
    await earlier.begin(other);
    const lists = [() => Promise.reject(new RuntimeError('Unavailable', 'not yet')), () => runtime.listImages()];
    const { records } = imagesOf({ ...runtime, listImages: () => lists.shift()?.() } as ContainerRuntime);
    await expect(records.load()).rejects.toThrow('not yet');
    await records.load();
    expect(records.of('sha256:1')).toBeDefined();
  });

  test('pulls of one name that end and begin at once leave a file for as long as one goes on', async () => {
    const { records } = imagesOf(nodeWith([]).runtime);
    await records.load();
    const files = () => readdirSync(join(root, 'image_manager/pulling'));
    for (let round = 0; round < 20; round++) {
      await records.begin(IMAGE);
      await Promise.all([records.end(IMAGE), records.begin(IMAGE)]);
      expect(files()).toHaveLength(1);
      await records.end(IMAGE);
    }
    expect(files()).toEqual([]);
  });

  test('who pulls one image with other passwords at once is noted besides the others', async () => {
    const { records } = imagesOf(nodeWith([]).runtime);
    await records.load();
    const names = Array.from({ length: 20 }, (_, index) => `secret-${index}`);
    const sourceOf = (name: string) => ({
      secret: { uid: name, namespace: 'n', name, credentialHash: name.repeat(9) },
    });
    await Promise.all(names.map((name) => records.add('sha256:1', 'reg.example.com/web', sourceOf(name))));
    const again = imagesOf(nodeWith([]).runtime).records;
    await again.load();
    const { kubernetesSecrets = [] } = again.of('sha256:1')?.credentialMapping['reg.example.com/web'] ?? {};
    expect(kubernetesSecrets.map(({ name }) => name)).toEqual(names);
  });

  test('records of images that are gone are forgotten', async () => {
    const { runtime } = nodeWith([], ['alice']);
    const images = imagesOf(runtime);
    await images.ensure(pod(), ifAbsent(IMAGE), inputs([secret('reg.example.com', 'alice')]));
    const later = new ManualClock().now() + 5_000;
    await images.records.keepOnly(new Set([idOf(IMAGE)]), later);
    expect(readdirSync(join(root, 'image_manager/pulled'))).toHaveLength(1);
    await images.records.keepOnly(new Set(), later);
    expect(readdirSync(join(root, 'image_manager/pulled'))).toEqual([]);
  });

  test.each<[VerificationPolicy, string[], number]>([
    ['NeverVerify', [], 0],
    ['AlwaysVerify', [], 1],
    ['NeverVerifyAllowlistedImages', [], 1],
    ['NeverVerifyAllowlistedImages', ['reg.example.com/web'], 0],
    ['NeverVerifyAllowlistedImages', ['reg.example.com/*'], 0],
    ['NeverVerifyAllowlistedImages', ['reg.example.com/we'], 1],
  ])('of what somebody put there, with %s and %j, %i is pulled', async (policy, allowed, count) => {
    const { runtime, pulled } = nodeWith([image('sha256:1', IMAGE)]);
    await imagesOf(runtime, { policy, allowed }).ensure(pod(), ifAbsent(IMAGE), inputs());
    expect(pulled).toHaveLength(count);
  });
});

describe('what is told', () => {
  test.each<[RuntimeError, string, string]>([
    [new RuntimeError('Unknown', 'refused'), 'ErrImagePull', 'refused'],
    [new RuntimeError('NotFound', 'not found'), 'ErrImagePull', 'rpc error: code = NotFound desc = not found'],
    [
      new RuntimeError('Unknown', 'RegistryUnavailable: no route'),
      'RegistryUnavailable',
      `image pull failed for ${IMAGE} because the registry is unavailable: no route`,
    ],
    [
      new RuntimeError('Unknown', 'SignatureValidationFailed: no key'),
      'SignatureValidationFailed',
      `image pull failed for ${IMAGE} because the signature validation failed: no key`,
    ],
  ])('a pull that fails with %s', async (error, reason, message) => {
    const { runtime } = nodeWith([]);
    const images = imagesOf({ ...runtime, pullImage: () => Promise.reject(error) } as ContainerRuntime);
    const attempt = () => images.ensure(pod(), ifAbsent(IMAGE), inputs());
    await expect(attempt()).rejects.toMatchObject({ reason, message });
    expect(told.at(-1)).toMatch(/^Failed: Failed to pull image "reg.example.com\/web:1": /);
    await expect(attempt()).rejects.toMatchObject({
      reason: 'ImagePullBackOff',
      message: `Back-off pulling image "${IMAGE}": ${reason}: ${message}`,
    });
    expect(told.at(-1)).toBe(`BackOff: Back-off pulling image "${IMAGE}"`);
  });

  test('a pull says how long it took, with and without waiting for others', async () => {
    const { runtime } = nodeWith([]);
    await imagesOf(runtime).ensure(pod(), ifAbsent(IMAGE), inputs());
    expect(told).toEqual([
      `Pulling: Pulling image "${IMAGE}"`,
      `Pulled: Successfully pulled image "${IMAGE}" in 0s (0s including waiting). Image size: 7 bytes.`,
    ]);
  });

  test('an image that cannot be looked at, and a name that is none', async () => {
    const { runtime } = nodeWith([]);
    const imageStatus = () => Promise.reject(new RuntimeError('Unknown', 'gone mad'));
    const images = imagesOf({ ...runtime, imageStatus } as unknown as ContainerRuntime);
    await expect(images.ensure(pod(), ifAbsent(IMAGE), inputs())).rejects.toMatchObject({
      reason: 'ImageInspectError',
      message: 'Failed to inspect image "": rpc error: code = Unknown desc = gone mad',
    });
    const message = `Failed to apply default image tag "web:a b": couldn't parse image name "web:a b": invalid reference format`;
    await expect(images.ensure(pod(), ifAbsent('web:a b'), inputs())).rejects.toMatchObject({
      reason: 'InvalidImageName',
      message,
    });
    expect(told.at(-1)).toBe(`InspectFailed: ${message}`);
  });
});
