/** The official JavaScript client, unchanged, against the API server: typed calls, watch, informer, patches, exec and logs. */
import { PassThrough } from 'node:stream';
import {
  AppsV1Api,
  AuthorizationV1Api,
  CoreV1Api,
  Exec,
  KubeConfig,
  KubernetesObjectApi,
  Log,
  makeInformer,
  PatchStrategy,
  setHeaderOptions,
  type V1Status,
  Watch,
} from '@kubernetes/client-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type HttpsApiServer, startHttpsApiServer } from '../integration/https-api-server.ts';
import { startTalkingPod } from './talking-pod.ts';

let server: HttpsApiServer;
let config: KubeConfig;
let core: CoreV1Api;

beforeAll(async () => {
  server = await startHttpsApiServer();
  const { certificate, key } = server.pki.issueClient('javascript', { user: 'js', groups: ['system:masters'] });
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  config = new KubeConfig();
  config.loadFromOptions({
    clusters: [{ name: 'c', server: server.url, caData: base64(server.pki.caCertificate) }],
    users: [{ name: 'u', certData: base64(certificate), keyData: base64(key) }],
    contexts: [{ name: 'x', cluster: 'c', user: 'u' }],
    currentContext: 'x',
  });
  core = config.makeApiClient(CoreV1Api);
});

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
});

const namespace = 'default';

test('typed calls create, page, patch, scale and delete', async () => {
  const made = await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'a' }, data: { k: 'v' } } });
  expect(made.metadata?.creationTimestamp).toBeInstanceOf(Date);
  await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'b' } } });
  const page = await core.listNamespacedConfigMap({ namespace, limit: 1 });
  expect(page.items.map((item) => item.metadata?.name)).toEqual(['a']);
  const rest = await core.listNamespacedConfigMap({ namespace, _continue: page.metadata?._continue ?? '' });
  expect(rest.items.map((item) => item.metadata?.name)).toEqual(['b']);

  const apps = config.makeApiClient(AppsV1Api);
  const labels = { app: 'web' };
  const template = { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i' }] } };
  const body = { metadata: { name: 'web' }, spec: { selector: { matchLabels: labels }, template } };
  await apps.createNamespacedDeployment({ namespace, body });
  const scaled = await apps.patchNamespacedDeploymentScale(
    { namespace, name: 'web', body: { spec: { replicas: 3 } } },
    setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
  );
  expect(scaled.spec?.replicas).toBe(3);
  const gone = await core.deleteNamespacedConfigMap({ namespace, name: 'a' });
  expect(gone.status).toBe('Success');
  await expect(core.readNamespacedConfigMap({ namespace, name: 'a' })).rejects.toMatchObject({ code: 404 });
});

test('its watch and its informer see what happens', async () => {
  const path = `/api/v1/namespaces/${namespace}/secrets`;
  const seen: string[] = [];
  let heardAll: () => void = () => undefined;
  const heard = new Promise<void>((resolve) => {
    heardAll = resolve;
  });
  const note = (type: string, { metadata }: { metadata: { name: string } }) => {
    seen.push(`${type} ${metadata.name}`);
    if (type === 'DELETED') heardAll();
  };
  const watching = await new Watch(config).watch(path, { allowWatchBookmarks: true }, note, () => undefined);

  const informer = makeInformer(config, path, () => core.listNamespacedSecret({ namespace }));
  const told: string[] = [];
  const deleted = new Promise<void>((resolve) => {
    informer.on('add', ({ metadata }) => told.push(`add ${metadata?.name}`));
    informer.on('update', ({ metadata }) => told.push(`update ${metadata?.name}`));
    informer.on('delete', ({ metadata }) => {
      told.push(`delete ${metadata?.name}`);
      resolve();
    });
  });
  await informer.start();
  await core.createNamespacedSecret({ namespace, body: { metadata: { name: 's' }, stringData: { a: 'b' } } });
  const body = [{ op: 'add', path: '/data/c', value: 'ZA==' }];
  await core.patchNamespacedSecret(
    { namespace, name: 's', body },
    setHeaderOptions('Content-Type', PatchStrategy.JsonPatch),
  );
  await core.deleteNamespacedSecret({ namespace, name: 's' });
  await deleted;
  await informer.stop();
  await heard;
  watching.abort();
  expect(told).toEqual(['add s', 'update s', 'delete s']);
  expect(seen).toEqual(['ADDED s', 'MODIFIED s', 'DELETED s']);
});

test('objects of any kind, found by discovery', async () => {
  const any = KubernetesObjectApi.makeApiClient(config);
  const made = await any.create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'any', namespace } });
  const read = await any.read<typeof made>({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'any', namespace },
  });
  expect(read.metadata).toEqual(made.metadata);
  expect((await any.list('v1', 'ConfigMap', namespace)).items.length).toBeGreaterThan(0);
  const review = { spec: { resourceAttributes: { verb: 'get', resource: 'pods' } } };
  const answer = await config.makeApiClient(AuthorizationV1Api).createSelfSubjectAccessReview({ body: review });
  expect(answer.status?.allowed).toBe(true);
});

test('exec and logs of a container', async () => {
  await using _pod = await startTalkingPod(server, namespace);
  const talk = async (command: string[], input = '') => {
    const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
    stdin.end(input);
    const status = await new Promise<V1Status>((resolve, reject) => {
      const exec = new Exec(config);
      exec.exec(namespace, 'talker', 'main', command, stdout, stderr, stdin, false, resolve).catch(reject);
    });
    const text = (stream: PassThrough) => String((stream.read() as Buffer | null) ?? '');
    return { status, stdout: text(stdout), stderr: text(stderr) };
  };
  expect(await talk(['echo', 'a', 'b'])).toMatchObject({ stdout: 'a b\n', status: { status: 'Success' } });
  expect(await talk(['warn', 'careful'])).toMatchObject({ stderr: 'careful\n' });
  const { status } = await talk(['exit', '3']);
  expect(status.details?.causes).toEqual([{ reason: 'ExitCode', message: '3' }]);

  const log = new PassThrough();
  const ended = new Promise((resolve) => log.once('end', resolve));
  let lines = '';
  log.on('data', (chunk: Buffer) => {
    lines += chunk.toString();
  });
  await new Log(config).log(namespace, 'talker', 'side', log, { tailLines: 1 });
  await ended;
  expect(lines).toBe('side three\n');
});
