import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Volume } from '#api/generated/schema.ts';
import { FAILED, podWith, volumesBed } from '../../../../test/node/volumes-bed.ts';

const bed = volumesBed();
const { failure, folderOf, maps, mounts, read, secrets, shown, volumes } = bed;

describe('files', () => {
  test('of a config map are on disk, all others in memory', async () => {
    maps.set('m', { key: 'text' });
    secrets.set('s', { key: 'secret' });
    const items = [{ path: 'name', fieldRef: { fieldPath: 'metadata.name' } }];
    await volumes().setUp(
      podWith([
        { name: 'v', configMap: { name: 'm' } },
        { name: 'v', secret: { secretName: 's' } },
        { name: 'v', downwardAPI: { items } },
        { name: 'v', projected: { sources: [{ downwardAPI: { items } }] } },
      ] as Volume[]),
      [],
    );
    const inMemory = ['secret', 'downward-api', 'projected'].map((sort) => folderOf(sort));
    expect(new Set(mounts)).toEqual(new Set(inMemory.map((path) => ({ path, what: 'memory 1777 1073741824' }))));
    expect(statSync(folderOf('configmap')).mode & 0o7777).toBe(0o777);
    expect([read('configmap', 'key'), read('secret', 'key'), read('downward-api', 'name')]).toEqual([
      'text',
      'secret',
      'p',
    ]);
  });

  test('that are optional come when their object or key does, and go with it', async () => {
    const node = volumes();
    const sure = { name: 'm', optional: true, items: [{ key: 'k', path: 'deep/file', mode: 0o400 }] };
    const pod = podWith({ name: 'v', configMap: sure } as Volume);
    await node.setUp(pod, []);
    expect(shown('configmap')).toEqual([]);
    maps.set('m', { other: 'x' });
    await node.setUp(pod, []);
    expect(shown('configmap')).toEqual([]);
    maps.set('m', { k: 'here' });
    await node.setUp(pod, []);
    expect([read('configmap', 'deep/file'), statSync(join(folderOf('configmap'), 'deep/file')).mode & 0o777]).toEqual([
      'here',
      0o400,
    ]);
    maps.delete('m');
    await node.setUp(pod, []);
    expect(shown('configmap')).toEqual([]);
  });

  test.each<[string, object, string]>([
    ['a config map', { configMap: { name: 'gone' } }, 'configmap "gone" not found'],
    ['a secret', { secret: { secretName: 'gone' } }, 'secret "gone" not found'],
    [
      'a key of a config map',
      { configMap: { name: 'm', items: [{ key: 'gone', path: 'x' }] } },
      'configmap references non-existent config key: gone',
    ],
    [
      'a key of a secret',
      { secret: { secretName: 's', items: [{ key: 'gone', path: 'x' }] } },
      'references non-existent secret key: gone',
    ],
    [
      'more than one source',
      {
        projected: {
          sources: [
            { configMap: { name: 'gone' } },
            { serviceAccountToken: { path: 'token', audience: 'a' } },
            { secret: { name: 'gone' } },
            { secret: { name: 'gone' } },
          ],
        },
      },
      '[configmap "gone" not found, secret "gone" not found]',
    ],
  ])('of %s that is missing are told', async (_, source, why) => {
    maps.set('m', {});
    secrets.set('s', {});
    expect(await failure(podWith({ name: 'v', ...source } as Volume))).toEqual([`${FAILED}${why}`]);
    expect(existsSync(join(bed.root, 'pods/u1'))).toBe(false);
  });

  test('of several volumes that cannot be had each is told, and the others are there', async () => {
    maps.set('m', { key: 'text' });
    const pod = podWith([
      { name: 'a', secret: { secretName: 'gone' } },
      { name: 'v', configMap: { name: 'm' } },
      { name: 'b', configMap: { name: 'gone' } },
    ] as Volume[]);
    expect(await failure(pod)).toEqual([
      'MountVolume.SetUp failed for volume "a" : secret "gone" not found',
      'MountVolume.SetUp failed for volume "b" : configmap "gone" not found',
    ]);
    expect(read('configmap', 'key')).toBe('text');
  });

  test('say of the pod what it asks for, in the units that it asks for', async () => {
    const field = (path: string, fieldPath: string) => ({ path, fieldRef: { fieldPath } });
    const amount = (path: string, resource: string, divisor?: string) => ({
      path,
      resourceFieldRef: { containerName: 'main', resource, ...(divisor && { divisor }) },
    });
    const items = [
      field('name', 'metadata.name'),
      field('namespace', 'metadata.namespace'),
      field('uid', 'metadata.uid'),
      field('labels', 'metadata.labels'),
      field('annotations', 'metadata.annotations'),
      field('label', "metadata.labels['a']"),
      field('annotation', "metadata.annotations['note']"),
      amount('cpu', 'limits.cpu'),
      amount('cpu-m', 'limits.cpu', '1m'),
      amount('cpu-request', 'requests.cpu', '1m'),
      amount('memory-request', 'requests.memory', '1Mi'),
      amount('memory-node', 'limits.memory', '1Ki'),
      { ...field('hidden', 'metadata.name'), mode: 0o400 },
    ];
    await volumes().setUp(podWith({ name: 'v', downwardAPI: { items, defaultMode: 0o440 } } as Volume), []);
    const said = Object.fromEntries(shown('downward-api').map((path) => [path, read('downward-api', path)]));
    expect(said).toEqual({
      name: 'p',
      namespace: 'ns',
      uid: 'u1',
      labels: 'a="1"\nb="2"',
      annotations: 'note="two\\nlines"',
      label: '1',
      annotation: 'two\nlines',
      cpu: '2',
      'cpu-m': '1500',
      'cpu-request': '250',
      'memory-request': '64',
      'memory-node': '1048576',
      hidden: 'p',
    });
    const modeOf = (name: string) => statSync(join(folderOf('downward-api'), name)).mode & 0o777;
    expect([modeOf('name'), modeOf('hidden')]).toEqual([0o440, 0o400]);
  });

  test('of sources are together; one that an unserved feature has left empty is none', async () => {
    maps.set('m', { one: '1', both: 'first' });
    secrets.set('s', { both: 'second' });
    const projected = [
      { configMap: { name: 'm' } },
      { secret: { name: 's' } },
      {},
      { serviceAccountToken: { path: 'token', audience: 'vault' } },
    ];
    await volumes().setUp(podWith({ name: 'v', projected: { sources: projected, defaultMode: 0o644 } } as Volume), []);
    expect(shown('projected')).toEqual(['both', 'one', 'token']);
    expect([read('projected', 'both'), read('projected', 'token')]).toEqual(['second', 'token for vault']);
  });

  test.skipIf(process.getuid?.() !== 0).each([
    [{}, {}, { uid: 0, mode: 0o644 }],
    [{ runAsUser: 1000 }, {}, { uid: 1000, mode: 0o600 }],
    [{}, { fsGroup: 2000 }, { uid: 0, mode: 0o640 }],
    [{ runAsUser: 1000 }, { fsGroup: 2000 }, { uid: 1000, mode: 0o640 }],
  ])('that are tokens are for the user of %j in %j', async (own, ofPod, { uid, mode }) => {
    const projected = { sources: [{ serviceAccountToken: { path: 'token' } }], defaultMode: 0o644 };
    const containers = [{ name: 'main', securityContext: own }];
    await volumes().setUp(
      podWith({ name: 'v', projected } as Volume, { containers, securityContext: ofPod } as never),
      [],
    );
    const found = statSync(join(folderOf('projected'), 'token'));
    expect([found.uid, found.mode & 0o777]).toEqual([uid, mode]);
  });
});
