/** What changes in ConfigMaps and Secrets reaches the volumes of running pods. And parts of such volumes at paths. */
import { describe, expect, test } from 'vitest';
import { eventually } from '../running-cluster.ts';
import type { Sent } from './api.ts';
import { configMap, object, type PodSpec, playground, pod, secret, shell, type Volume } from './playground.ts';

type Kind = 'ConfigMap' | 'Secret';
interface Case {
  title: string;
  kind: Kind;
  volume: (name: string, optional?: boolean) => Volume;
}
const CASES: Case[] = [
  {
    title: 'ConfigMap',
    kind: 'ConfigMap',
    volume: (name, optional = false) => ({ name, configMap: { name, optional } }),
  },
  {
    title: 'Projected configMap',
    kind: 'ConfigMap',
    volume: (name, optional = false) => ({ name, projected: { sources: [{ configMap: { name, optional } }] } }),
  },
  {
    title: 'Secrets',
    kind: 'Secret',
    volume: (name, optional = false) => ({ name, secret: { secretName: name, optional } }),
  },
  {
    title: 'Projected secret',
    kind: 'Secret',
    volume: (name, optional = false) => ({ name, projected: { sources: [{ secret: { name, optional } }] } }),
  },
];
const make = (kind: Kind, name: string, data: Record<string, string>): Sent =>
  kind === 'Secret' ? secret(name, data) : configMap(name, data);
const PATIENCE_MS = 120_000; // a kubelet looks at volumes once a minute or so

/** Each case has objects of its own, so that all of them can change at once. */
const nameOf = ({ title }: Case, what: string) => `${title.toLowerCase().replace(' ', '-')}-${what}`;
const mounted = (volumes: Volume[]): Partial<PodSpec> => ({
  volumes,
  containers: [shell('sleep 1000', { volumeMounts: volumes.map(({ name }) => ({ name, mountPath: `/${name}` })) })],
});

describe('volumes follow their objects', () => {
  const ground = playground('updates', async (it) => {
    for (const each of CASES) {
      const { kind, volume } = each;
      const names = ['changed', 'deleted', 'created'].map((what) => nameOf(each, what));
      await it.create(
        make(kind, nameOf(each, 'changed'), { 'data-1': 'value-1' }),
        make(kind, nameOf(each, 'deleted'), { 'data-1': 'value-1' }),
        pod(nameOf(each, 'pod'), { spec: mounted(names.map((name) => volume(name, true))) }),
      );
    }
    for (const each of CASES) await it.ready(nameOf(each, 'pod'));
    for (const each of CASES) {
      const read = (what: string) => it.exec(nameOf(each, 'pod'), `cat /${nameOf(each, what)}/data-1`);
      expect(await read('changed')).toBe('value-1');
      expect(await read('deleted')).toBe('value-1');
      const field = each.kind === 'Secret' ? 'stringData' : 'data';
      await it.api.patch(it.path(each.kind, 'v1', nameOf(each, 'changed')), { [field]: { 'data-1': 'value-2' } });
      await it.api.delete(it.path(each.kind, 'v1', nameOf(each, 'deleted')));
      await it.create(make(each.kind, nameOf(each, 'created'), { 'data-1': 'value-3' }));
    }
    return undefined;
  });

  const becomes = (each: Case, what: string, value: string) =>
    eventually(
      `${what} becomes "${value}"`,
      async () =>
        (await ground().exec(nameOf(each, 'pod'), `cat /${nameOf(each, what)}/data-1 2>&1 || true`)).includes(value),
      PATIENCE_MS,
    );
  for (const each of CASES) {
    if (each.kind === 'ConfigMap') {
      test(`${each.title} updates should be reflected in volume`, () => becomes(each, 'changed', 'value-2'));
    }
    test(`${each.title} optional updates should be reflected in volume`, async () => {
      await becomes(each, 'changed', 'value-2');
      await becomes(each, 'created', 'value-3');
      await becomes(each, 'deleted', 'No such file');
    });
  }
});

const FILE = 'file';
const CONTENT = 'content of the volume';
const SUBPATHS: { name: string; volume: Volume; file?: string; content?: string; mountPath?: string }[] = [
  { name: 'secret pod', volume: { name: 'it', secret: { secretName: 'parts' } } },
  { name: 'configmap pod', volume: { name: 'it', configMap: { name: 'parts' } } },
  {
    name: 'configmap pod with mountPath of existing file',
    volume: { name: 'it', configMap: { name: 'parts' } },
    mountPath: '/etc/passwd',
  },
  {
    name: 'downward pod',
    volume: {
      name: 'it',
      downwardAPI: { items: [{ path: 'downward/podname', fieldRef: { fieldPath: 'metadata.name' } }] },
    },
    file: 'downward/podname',
    content: 'part-3',
  },
  {
    name: 'projected pod',
    volume: { name: 'it', projected: { sources: [{ configMap: { name: 'parts' } }] } },
  },
];

describe('parts of volumes at paths of their own', () => {
  const ground = playground('subpaths', async (it) => {
    await it.create(
      configMap('parts', { [FILE]: CONTENT }),
      object('Secret', 'parts', { stringData: { [FILE]: CONTENT } }),
      ...SUBPATHS.map(({ volume, file = FILE, mountPath = '/somewhere/file' }, index) =>
        pod(`part-${index}`, {
          spec: {
            volumes: [volume],
            containers: [
              shell(`for i in 1 2 3 4 5; do cat ${mountPath} || exit 1; echo; sleep 0.2; done`, {
                volumeMounts: [{ name: 'it', mountPath, subPath: file }],
              }),
            ],
          },
        }),
      ),
    );
    return undefined;
  });

  for (const [index, { name, content = CONTENT }] of SUBPATHS.entries()) {
    test(`Subpath Atomic writer volumes should support subpaths with ${name}`, async () => {
      const { status } = await ground().ended(`part-${index}`);
      expect(await ground().log(`part-${index}`)).toBe(`${content}\n`.repeat(5));
      expect(status?.phase).toBe('Succeeded');
    });
  }
});
