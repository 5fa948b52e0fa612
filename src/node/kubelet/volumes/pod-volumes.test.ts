import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { ConfigMap, HostPathVolumeSource, Pod, Secret, Volume } from '#api/generated/schema.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { ImageFailed } from '../images.ts';
import { mediumOf, memorySize } from './empty-dir.ts';
import type { Mounter } from './mounter.ts';
import { nestedMountPoints } from './nested-mount-points.ts';
import { PodVolumes, VolumesFailed } from './pod-volumes.ts';
import type { ProjectionSources } from './projections.ts';

let root: string;
let mounts: { path: string; what: string }[];
const maps = new Map<string, Record<string, string>>();
const secrets = new Map<string, Record<string, string>>();

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'pod-volumes-'));
  mounts = [];
  maps.clear();
  secrets.clear();
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Mounts are noted, and folders otherwise. */
const mounter: Mounter = {
  tmpfs: async (path, { sizeBytes, mode }) =>
    void mounts.push({ path, what: `memory ${mode.toString(8)} ${sizeBytes}` }),
  bind: async () => undefined,
  mount: async ({ type, target, options }) => void mounts.push({ path: target, what: `${type} ${options}` }),
  unmount: async () => undefined,
  below: async (path) => mounts.map((each) => each.path).filter((each) => each === path || each.startsWith(`${path}/`)),
  hasBindOf: async () => false,
};

const encoded = (data: Record<string, string>) =>
  Object.fromEntries(Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString('base64')]));
const sources: ProjectionSources = {
  node: { nodeName: 'n1', hostIPs: ['10.0.0.1', 'fd00::1'], allocatable: { cpu: '4', memory: '1Gi' } },
  configMap: async (_, name) => (maps.has(name) ? ({ data: maps.get(name) } as unknown as ConfigMap) : undefined),
  secret: async (_, name) =>
    secrets.has(name) ? ({ data: encoded(secrets.get(name) ?? {}) } as unknown as Secret) : undefined,
  serviceAccountToken: async (_, { audience }) => `token for ${audience}`,
};

const volumes = (setUp?: () => Promise<string | undefined>) =>
  new PodVolumes({
    root,
    mounter,
    sources,
    clock: new ManualClock(),
    ...(setUp && { lasting: { setUp, tearDown: async () => undefined } }),
  });

const podWith = (given: Volume[] | Volume, spec: Partial<Pod['spec']> = {}): Pod =>
  ({
    metadata: {
      name: 'p',
      namespace: 'ns',
      uid: 'u1',
      labels: { b: '2', a: '1' },
      annotations: { note: 'two\nlines' },
    },
    spec: {
      containers: [
        { name: 'main', resources: { requests: { cpu: '250m', memory: '64Mi' }, limits: { cpu: '1500m' } } },
      ],
      serviceAccountName: 'robot',
      volumes: [given].flat(),
      ...spec,
    },
  }) as unknown as Pod;

const folderOf = (sort: string, name = 'v') => join(root, 'pods/u1/volumes', `kubernetes.io~${sort}`, name);
const read = (sort: string, path: string) => readFileSync(join(folderOf(sort), path), 'utf8');
const shown = (sort: string) =>
  readdirSync(folderOf(sort))
    .filter((name) => !name.startsWith('..'))
    .sort();
async function failure(pod: Pod): Promise<readonly string[]> {
  const error = await volumes()
    .setUp(pod, [])
    .then(
      () => undefined,
      (reason: unknown) => reason,
    );
  expect(error).toBeInstanceOf(VolumesFailed);
  return (error as VolumesFailed).messages;
}
const FAILED = 'MountVolume.SetUp failed for volume "v" : ';

describe('hostPath', () => {
  const path = (name: string) => join(root, 'host', name);
  beforeEach(() => {
    mkdirSync(path('folder'), { recursive: true });
    writeFileSync(path('file'), '');
  });
  const volume = (type: string, name: string): Volume => ({
    name: 'v',
    hostPath: { type, path: path(name) } as HostPathVolumeSource,
  });

  test.each([
    ['', 'folder'],
    ['', 'file'],
    ['Directory', 'folder'],
    ['DirectoryOrCreate', 'folder'],
    ['DirectoryOrCreate', 'new/deep'],
    ['File', 'file'],
    ['FileOrCreate', 'file'],
    ['FileOrCreate', 'new-file'],
  ])('of the type %j is had: %s', async (type, name) => {
    const { paths } = await volumes().setUp(podWith(volume(type, name)), []);
    expect(paths.get('v')).toBe(path(name));
    expect(statSync(path(name)).isDirectory()).toBe(!name.includes('file'));
  });

  test.each([
    ['Directory', 'file', 'a directory'],
    ['Directory', 'missing', 'a directory'],
    ['DirectoryOrCreate', 'file', 'a directory'],
    ['File', 'folder', 'a file'],
    ['File', 'missing', 'a file'],
    ['FileOrCreate', 'folder', 'a file'],
    ['Socket', 'file', 'a socket file'],
    ['CharDevice', 'file', 'a character device'],
    ['BlockDevice', 'missing', 'a block device'],
  ])('of the type %s is not %s', async (type, name, what) => {
    expect(await failure(podWith(volume(type, name)))).toEqual([
      `${FAILED}hostPath type check failed: ${path(name)} is not ${what}`,
    ]);
  });

  test('may be a socket or a device', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(path('socket'), resolve));
    try {
      await volumes().setUp(podWith(volume('Socket', 'socket')), []);
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
    const device = { name: 'v', hostPath: { type: 'CharDevice', path: '/dev/null' } } as Volume;
    expect((await volumes().setUp(podWith(device), [])).paths.get('v')).toBe('/dev/null');
  });
});

describe('emptyDir', () => {
  const limits = (memory: string) => ({ containers: [{ name: 'main', resources: { limits: { memory } } }] }) as never;

  test('in memory is no larger than what it says, its pod may use, and the node has', () => {
    const pod = podWith([], limits('64Mi'));
    expect(memorySize(podWith([]), '1Gi')).toBe(2 ** 30);
    expect(memorySize(podWith([]), '1Gi', '8Mi')).toBe(8 * 2 ** 20);
    expect(memorySize(podWith([]), '1Gi', '8Gi')).toBe(2 ** 30);
    expect(memorySize(pod, '1Gi')).toBe(64 * 2 ** 20);
    expect(memorySize(pod, '1Gi', '128Mi')).toBe(64 * 2 ** 20);
    expect(memorySize(pod, undefined)).toBe(64 * 2 ** 20);
    expect(memorySize(podWith([]), undefined)).toBeUndefined();
  });

  test('is mounted once, whatever it is made of', async () => {
    const pages = { requests: { 'hugepages-2Mi': '4Mi' }, limits: { 'hugepages-2Mi': '4Mi' } };
    const pod = podWith(
      [
        { name: 'disk', emptyDir: {} },
        { name: 'memory', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
        { name: 'huge', emptyDir: { medium: 'HugePages-2Mi' } },
      ],
      { containers: [{ name: 'main', resources: pages }] } as never,
    );
    const node = volumes();
    const { paths } = await node.setUp(pod, []);
    await node.setUp(pod, []);
    expect(mounts).toHaveLength(2);
    expect(new Map(mounts.map(({ path, what }) => [path, what]))).toEqual(
      new Map([
        [paths.get('memory'), 'memory 1777 1048576'],
        [paths.get('huge'), 'hugetlbfs pagesize=2Mi'],
      ]),
    );
    expect(statSync(paths.get('disk') ?? '').mode & 0o777).toBe(0o777);
  });

  test.each([
    ['Disk', {}, 'unknown storage medium "Disk"'],
    ['HugePages', {}, 'medium HugePages: hugePages storage requested, but there is no resource request for huge pages'],
    [
      'HugePages-1Gi',
      { 'hugepages-2Mi': '2Mi' },
      'medium HugePages-1Gi: hugePages storage requested, but there is no resource request for huge pages',
    ],
    [
      'HugePages',
      { 'hugepages-2Mi': '2Mi', 'hugepages-1Gi': '1Gi' },
      "medium: HugePages can't be used if container requests multiple huge page sizes",
    ],
  ])('of %s for a pod that asks for %j cannot be had', (medium, requests, why) => {
    const pod = podWith([], { containers: [{ name: 'main', resources: { requests } }] } as never);
    expect(() => mediumOf(pod, { medium }, '1Gi')).toThrow(new Error(why));
  });
});

test('the volumes of a pod are set up beside one another, and all have ended when one has failed', async () => {
  const begun: string[] = [];
  const ended: string[] = [];
  const waiting: (() => void)[] = [];
  const setUp = async (_: Pod, { name }: Volume) => {
    begun.push(name);
    await new Promise<void>((resolve) => waiting.push(resolve));
    ended.push(name);
    if (name === 'v1') throw new Error('refused');
    return `/${name}`;
  };
  const names = Array.from({ length: 10 }, (_, index) => `v${index}`);
  const pod = podWith(names.map((name) => ({ name, persistentVolumeClaim: { claimName: name } })));
  const done = new PodVolumes({
    root,
    mounter,
    sources,
    clock: new ManualClock(),
    lasting: { setUp, tearDown: async () => undefined },
  }).setUp(pod, []);
  done.catch(() => undefined);
  await vi.waitFor(() => expect(begun).toEqual(names.slice(0, 8)));
  for (let next = waiting.shift(); ended.length < names.length; next = waiting.shift()) {
    next?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await expect(done).rejects.toThrow('MountVolume.SetUp failed for volume "v1" : refused');
  expect(new Set(ended)).toEqual(new Set(names));
});

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
    expect(existsSync(join(root, 'pods/u1'))).toBe(false);
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

describe('volumes in volumes', () => {
  const mounted = (...all: [name: string, mountPath: string][]) => ({
    containers: [{ name: 'main', volumeMounts: all.map(([name, mountPath]) => ({ name, mountPath })) }],
  });

  test.each<[[string, string][], string[]]>([
    [
      [
        ['v', '/dir'],
        ['w', '/dir/nested'],
      ],
      ['nested'],
    ],
    [
      [
        ['w', '/dir/nested/'],
        ['v', '/dir/'],
      ],
      ['nested'],
    ],
    [
      [
        ['v', '/dir'],
        ['w', '/dir/nested'],
        ['x', '/dir/nested/deep'],
      ],
      ['nested'],
    ],
    [
      [
        ['v', '/dir'],
        ['w', '/dir/a/b'],
        ['x', '/dir/a-b'],
      ],
      ['a-b', 'a/b'],
    ],
    [
      [
        ['v', '/dir'],
        ['w', '/directory'],
      ],
      [],
    ],
    [
      [
        ['v', '/'],
        ['w', '/etc/x'],
      ],
      ['etc/x'],
    ],
    [
      [
        ['w', '/dir'],
        ['v', '/dir/nested'],
      ],
      [],
    ],
  ])('%j need %j', (mounts, folders) => {
    expect(nestedMountPoints('v', podWith([], mounted(...mounts) as never)).sort()).toEqual(folders);
  });

  test('have their folder before anything is mounted, and keep it when files come and go', async () => {
    maps.set('m', { a: '1' });
    const node = volumes();
    const pod = podWith(
      { name: 'v', configMap: { name: 'm' } } as Volume,
      mounted(['v', '/etc/app'], ['w', '/etc/app/run']) as never,
    );
    await node.setUp(pod, []);
    maps.set('m', { b: '2' });
    await node.setUp(pod, []);
    expect(shown('configmap')).toEqual(['b', 'run']);
    expect(lstatSync(join(folderOf('configmap'), 'run')).isDirectory()).toBe(true);
  });
});

test('a folder for a nested volume is made also where an earlier kubelet ended before it was', async () => {
  maps.set('m', { a: '1' });
  mkdirSync(folderOf('configmap'), { recursive: true });
  const volumeMounts = [
    { name: 'v', mountPath: '/etc/app' },
    { name: 'w', mountPath: '/etc/app/run' },
  ];
  const containers = [{ name: 'main', volumeMounts }];
  await volumes().setUp(podWith({ name: 'v', configMap: { name: 'm' } } as Volume, { containers } as never), []);
  expect(shown('configmap')).toEqual(['a', 'run']);
});

test('an image that cannot be had keeps no other volume, and is told of by its volume', async () => {
  const refused = new ImageFailed('ErrImagePull', 'refused');
  const node = volumes(async () => {
    throw refused;
  });
  maps.set('m', { a: '1' });
  const pod = podWith([{ name: 'picture', image: { reference: 'x' } }] as Volume[]);
  const { paths, imageFailures } = await node.setUp(pod, []);
  expect([[...paths.keys()], imageFailures.get('picture')]).toEqual([[], refused]);
});
