import { afterEach, expect, test, vi } from 'vitest';
import type { KubeObject } from '#api/machinery/object.ts';
import { type Log, silentLog } from '#base/log.ts';
import { fixedInformers } from '#testing/fixed-informers.ts';
import type { TableChange } from './ingress-server.ts';
import { ingressSource } from './ingress-source.ts';
import { keepTableCurrent } from './keep-table-current.ts';

const object = (apiVersion: string, kind: string, name: string, rest: object, labels = {}): KubeObject =>
  ({ apiVersion, kind, metadata: { name, namespace: 'shop', labels }, ...rest }) as unknown as KubeObject;
const ingress = object('networking.k8s.io/v1', 'Ingress', 'web', {
  spec: {
    ingressClassName: 'ours',
    tls: [{ hosts: ['www.example.com'], secretName: 'cert' }],
    rules: [
      {
        host: 'www.example.com',
        http: {
          paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: 'web', port: { number: 80 } } } }],
        },
      },
    ],
  },
});
const ingressClass = (controller: string) => ({
  ...object('networking.k8s.io/v1', 'IngressClass', 'ours', { spec: { controller } }),
  metadata: { name: 'ours' } as KubeObject['metadata'],
});
const service = object('v1', 'Service', 'web', { spec: { ports: [{ name: 'http', port: 80 }] } });
const slice = (of: string, ...ips: string[]) =>
  object(
    'discovery.k8s.io/v1',
    'EndpointSlice',
    `${of}-1`,
    {
      addressType: 'IPv4',
      ports: [{ name: 'http', port: 8080 }],
      endpoints: ips.map((ip) => ({ addresses: [ip], conditions: { ready: true } })),
    },
    { 'kubernetes.io/service-name': of },
  );
const secret = object('v1', 'Secret', 'cert', { data: { 'tls.crt': 'Y2VydA==', 'tls.key': 'a2V5' } });

const ending: AbortController[] = [];
afterEach(() => {
  for (const controller of ending.splice(0)) controller.abort();
});
/** As many turns as a change may take until it is told. */
const turns = async () => {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
};

async function keeping({ log = silentLog }: { log?: Log }, ...objects: KubeObject[]) {
  const letGo = vi.fn();
  const informers = { ...fixedInformers(objects), letGo };
  const controller = new AbortController();
  ending.push(controller);
  const told: TableChange[] = [];
  const source = ingressSource({ controller: 'example.com/ours', informers, signal: controller.signal });
  await keepTableCurrent({
    sources: [source],
    informers,
    log,
    signal: controller.signal,
    onChange: (change) => told.push(change),
  });
  return { informers, told, letGo, source };
}

test('nothing is told of Ingresses of another class, until the class is ours', async () => {
  const { informers, told } = await keeping(
    {},
    ingress,
    ingressClass('example.com/theirs'),
    service,
    slice('web', '10.0.0.1'),
  );
  expect(told).toEqual([]);
  informers.put(ingressClass('example.com/ours'));
  await turns();
  expect(told).toHaveLength(1);
  expect(told[0]?.hosts?.map(([host]) => host)).toEqual(['www.example.com']);
  expect(told[0]?.endpoints).toEqual([['shop/web:80', [{ address: '10.0.0.1', port: 8080 }]]]);
  informers.put(ingressClass('example.com/theirs'));
  await turns();
  expect(told[1]?.hosts).toEqual([['www.example.com', null]]);
});

test('routes do not wait for a certificate, and it is told when it comes', async () => {
  const { informers, told } = await keeping({}, ingress, ingressClass('example.com/ours'), service);
  expect(told[0]?.certificates).toEqual([]);
  informers.put(secret);
  await turns();
  expect(told[1]).toEqual({
    certificates: [['shop/cert', { certificate: 'cert', key: 'key' }]],
    endpoints: [],
    users: [],
  });
});

test('who may pass is told out of the Secret that the Ingress names, of its own namespace alone', async () => {
  const named = (name: string) => {
    const annotations = {
      'nginx.ingress.kubernetes.io/auth-type': 'basic',
      'nginx.ingress.kubernetes.io/auth-secret': name,
    };
    return { ...ingress, metadata: { ...ingress.metadata, annotations } } as unknown as KubeObject;
  };
  const users = object('v1', 'Secret', 'users', { data: { auth: Buffer.from('jane:{SHA}a').toString('base64') } });
  const { informers, told } = await keeping({}, named('users'), ingressClass('example.com/ours'), service, users);
  const all = () => told.flatMap((change) => change.users ?? []);
  informers.put({ ...users, metadata: { ...users.metadata, labels: { a: 'b' } } });
  await turns();
  expect(all()).toEqual([['shop/users', [['jane', '{SHA}a']]]]);
  informers.put(named('other/users'));
  await turns();
  expect(all().at(-1)).toEqual(['shop/users', null]);
});

test('a Secret that no Ingress names any more is let go', async () => {
  const { informers, told, letGo } = await keeping({}, ingress, ingressClass('example.com/ours'), service, secret);
  expect(letGo).not.toHaveBeenCalled();
  const { tls: _, ...spec } = (ingress as unknown as { spec: { tls: unknown } }).spec;
  informers.put({ ...ingress, spec } as unknown as KubeObject);
  await turns();
  expect(told.at(-1)?.certificates).toEqual([['shop/cert', null]]);
  expect(letGo).toHaveBeenCalledWith(expect.objectContaining({ kind: 'Secret' }), {
    namespace: 'shop',
    fieldSelector: 'metadata.name=cert',
  });
});

test('only what is new is told, in one piece, and nothing of Services that no Ingress names', async () => {
  const { informers, told } = await keeping(
    {},
    ingress,
    ingressClass('example.com/ours'),
    service,
    slice('web', '10.0.0.1'),
  );
  informers.put(slice('other', '10.0.0.9'));
  await turns();
  expect(told).toHaveLength(1);
  informers.put(slice('web', '10.0.0.2'));
  informers.put(slice('web', '10.0.0.2', '10.0.0.3'));
  await turns();
  expect(told).toHaveLength(2);
  expect(told[1]?.endpoints?.[0]?.[1]).toHaveLength(2);
  expect(told[1]?.hosts).toBeUndefined();
});

test('an Ingress that nothing can be made of is named, and the others are served', async () => {
  const bad = {
    ...ingress,
    metadata: { ...ingress.metadata, name: 'bad' },
    spec: { ingressClassName: 'ours', rules: 7 },
  };
  const said: unknown[] = [];
  const log = { ...silentLog, error: (_: string, fields?: Record<string, unknown>) => said.push(fields?.['object']) };
  const { informers, told } = await keeping(
    { log },
    bad as unknown as KubeObject,
    ingress,
    ingressClass('example.com/ours'),
  );
  expect(told[0]?.hosts?.map(([host]) => host)).toEqual(['www.example.com']);
  informers.put({
    ...ingress,
    spec: { ...(ingress as unknown as { spec: object }).spec, tls: [] },
  } as unknown as KubeObject);
  await turns();
  expect(told[1]?.hosts).toHaveLength(1);
  expect(said).toEqual(['Ingress shop/bad']);
});

test('whatever fails, the routes stay as they were, and the next change tries again', async () => {
  const said: string[] = [];
  const log = { ...silentLog, error: (text: string) => said.push(text) };
  const { informers, told, source } = await keeping({ log }, ingress, ingressClass('example.com/ours'), service);
  expect(told).toHaveLength(1);
  const { table } = source;
  source.table = () => {
    throw new TypeError('a mistake of ours');
  };
  informers.put({ ...ingress, spec: { ingressClassName: 'ours' } } as unknown as KubeObject);
  await turns();
  expect([told.length, said]).toEqual([1, ['the routes could not be made anew; they stay as they are']]);
  source.table = table;
  informers.put(service);
  informers.put({ ...ingress, metadata: { ...ingress.metadata, labels: {} } } as unknown as KubeObject);
  await turns();
  expect(told).toHaveLength(1); // it is as it was
  informers.remove(ingress);
  await turns();
  expect(told[1]?.hosts).toEqual([['www.example.com', null]]);
});
