import { expect, test } from 'vitest';
import type { Container, Pod, Secret } from '#api/generated/schema.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { type AuthConfig, type ContainerRuntime, RuntimeError } from '#node/runtime/runtime.ts';
import { ImageFailed, Images } from '../images.ts';
import { Limiter } from '../limiter.ts';
import type { PodEvents } from '../pod-events.ts';

const silent = { normal: () => undefined, warning: () => undefined } as unknown as PodEvents;
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

const imagesOf = (runtime: ContainerRuntime, more: { limit?: number; provided?: string[] } = {}) =>
  new Images({
    runtime,
    clock: new ManualClock(),
    events: silent,
    pulls: new Limiter(more.limit ?? 10),
    providers: { credentialsFor: async () => (more.provided ?? []).map((username) => ({ username, password: 'p' })) },
  });

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
