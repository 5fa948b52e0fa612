/** Volumes with the content of ConfigMaps and Secrets: alone and as parts of projected volumes. */
import { describe, expect, test } from 'vitest';
import type { Sent } from './api.ts';
import { configMap, type PodSpec, type Story, secret, shell, tell, type Volume } from './playground.ts';

interface Item {
  key: string;
  path: string;
  mode?: number;
}
interface Content {
  items?: Item[];
  defaultMode?: number;
}
type VolumeOf = (object: string, content: Content) => Volume;
interface Source {
  /** How the names of its tests begin. */
  title: string;
  make: (name: string, data: Record<string, string>) => Sent;
  volume: VolumeOf;
}

const MAPPED = [{ key: 'data-2', path: 'path/to/data-2' }];
const MAPPED_WITH_MODE = [{ key: 'data-2', path: 'path/to/data-2', mode: 0o400 }];
const DATA = { 'data-1': 'value-1', 'data-2': 'value-2', 'data-3': 'value-3' };
const look = (path: string) => `cat ${path} && echo && stat -L -c %A:%u:%g ${path}`;

/** Looks at one file of the volume that is mounted at /volume. */
const reader = (volume: Volume, path: string, securityContext: PodSpec['securityContext'] = {}): { spec: PodSpec } => ({
  spec: {
    volumes: [volume],
    securityContext,
    containers: [shell(look(`/volume/${path}`), { volumeMounts: [{ name: volume.name, mountPath: '/volume' }] })],
  },
});

const SOURCES: Record<'configMap' | 'secret' | 'projectedConfigMap' | 'projectedSecret', Source> = {
  configMap: {
    title: 'ConfigMap',
    make: configMap,
    volume: (name, content) => ({ name: 'it', configMap: { name, ...content } }),
  },
  secret: {
    title: 'Secrets',
    make: secret,
    volume: (secretName, content) => ({ name: 'it', secret: { secretName, ...content } }),
  },
  projectedConfigMap: {
    title: 'Projected configMap',
    make: configMap,
    volume: (name, { items, ...rest }) => ({
      name: 'it',
      projected: { ...rest, sources: [{ configMap: { name, ...(items && { items }) } }] },
    }),
  },
  projectedSecret: {
    title: 'Projected secret',
    make: secret,
    volume: (name, { items, ...rest }) => ({
      name: 'it',
      projected: { ...rest, sources: [{ secret: { name, ...(items && { items }) } }] },
    }),
  },
};

function storiesOf({ title, make, volume }: Source, kind: 'configMap' | 'secret'): Story[] {
  const object = title.toLowerCase().replace(' ', '-');
  const all = [
    {
      name: 'should be consumable from pods in volume',
      pod: reader(volume(object, {}), 'data-1'),
      says: ['value-1', '-rw-r--r--:0:0'],
    },
    {
      name: 'should be consumable from pods in volume with defaultMode set',
      pod: reader(volume(object, { defaultMode: 0o400 }), 'data-1'),
      says: ['value-1', '-r--------'],
    },
    {
      name: 'should be consumable from pods in volume with mappings',
      pod: reader(volume(object, { items: MAPPED }), 'path/to/data-2'),
      says: ['value-2', '-rw-r--r--'],
    },
    {
      name: `should be consumable from pods in volume with mappings and Item ${kind === 'secret' ? 'Mode' : 'mode'} set`,
      pod: reader(volume(object, { items: MAPPED_WITH_MODE }), 'path/to/data-2'),
      says: ['value-2', '-r--------'],
    },
    {
      name: `should be consumable in multiple volumes in ${kind === 'secret' ? 'a' : 'the same'} pod`,
      pod: inTwoPlaces(volume(object, {})),
      says: [/value-1\n.*\nvalue-1\n/],
    },
  ];
  const forConfigMaps = [
    {
      name: 'should be consumable from pods in volume as non-root',
      pod: reader(volume(object, {}), 'data-1', { runAsUser: 1000 }),
      says: ['value-1'],
    },
    {
      name: 'should be consumable from pods in volume with mappings as non-root',
      pod: reader(volume(object, { items: MAPPED }), 'path/to/data-2', { runAsUser: 1000 }),
      says: ['value-2'],
    },
  ];
  const forSecrets = [
    {
      name: 'should be consumable from pods in volume as non-root with defaultMode and fsGroup set',
      pod: reader(volume(object, { defaultMode: 0o440 }), 'data-1', { runAsUser: 1000, fsGroup: 1001 }),
      says: ['value-1', '-r--r-----:0:1001'],
    },
  ];
  return [...all, ...(kind === 'secret' ? forSecrets : forConfigMaps)].map((story, index) => ({
    ...story,
    name: `${title} ${story.name}`,
    objects: index === 0 ? [make(object, DATA)] : [],
  }));
}

function inTwoPlaces(volume: Volume): { spec: PodSpec } {
  const volumeMounts = ['one', 'two'].map((name) => ({ name, mountPath: `/${name}`, readOnly: true }));
  return {
    spec: {
      volumes: [
        { ...volume, name: 'one' },
        { ...volume, name: 'two' },
      ],
      containers: [shell(`${look('/one/data-1')}; ${look('/two/data-1')}`, { volumeMounts })],
    },
  };
}

const COMBINED: Story = {
  name: 'Projected combined should project all components that make up the projection API [Projection]',
  objects: [
    configMap('combined', { 'configmap-data': 'configmap-value' }),
    secret('combined', { 'secret-data': 'secret-value' }),
  ],
  pod: {
    spec: {
      volumes: [
        {
          name: 'it',
          projected: {
            sources: [
              { configMap: { name: 'combined', items: [{ key: 'configmap-data', path: 'configmap-data' }] } },
              { secret: { name: 'combined', items: [{ key: 'secret-data', path: 'secret-data' }] } },
              { downwardAPI: { items: [{ path: 'podname', fieldRef: { fieldPath: 'metadata.name' } }] } },
            ],
          },
        },
      ],
      containers: [
        shell('cd /all && for each in podname secret-data configmap-data; do cat $each; echo; done', {
          volumeMounts: [{ name: 'it', mountPath: '/all' }],
        }),
      ],
    },
  },
  says: [/^story-\d+\nsecret-value\nconfigmap-value\n/],
};

const BINARY: Story = {
  name: 'ConfigMap binary data should be reflected in volume',
  objects: [
    configMap(
      'binary',
      { 'data-1': 'value-1' },
      { binaryData: { 'dump.bin': Buffer.from([0xde, 0xca, 0xfe, 0xba, 0xd0, 0xfe, 0xff]).toString('base64') } },
    ),
  ],
  pod: {
    spec: {
      volumes: [{ name: 'it', configMap: { name: 'binary' } }],
      containers: [
        shell('cat /it/data-1; echo; hexdump -ve \'1/1 "%02x"\' /it/dump.bin', {
          volumeMounts: [{ name: 'it', mountPath: '/it' }],
        }),
      ],
    },
  },
  says: ['value-1\ndecafebad0feff'],
};

/** A secret and a config map, each in a wrapping emptyDir of its own, side by side. */
const SIDE_BY_SIDE: Story = {
  name: 'EmptyDir wrapper volumes should not conflict',
  pod: {
    spec: {
      volumes: [
        { name: 'one', secret: { secretName: 'secrets' } },
        { name: 'two', configMap: { name: 'configmap' } },
      ],
      containers: [
        shell('cat /one/data-1 /two/data-2', {
          volumeMounts: [
            { name: 'one', mountPath: '/one', readOnly: true },
            { name: 'two', mountPath: '/two' },
          ],
        }),
      ],
    },
  },
  says: ['value-1value-2'],
};

const OTHER_NAMESPACE = 'conformance-volumes-other';
const SAME_NAME: Story = {
  name: 'Secrets should be able to mount in a volume regardless of a different secret existing with same name in different namespace',
  objects: [secret('same-name', { 'data-1': 'value-of-here' })],
  pod: reader({ name: 'it', secret: { secretName: 'same-name' } }, 'data-1'),
  says: ['value-of-here'],
};

describe('volumes from objects', () => {
  const ground = tell(
    'volumes',
    [
      ...storiesOf(SOURCES.configMap, 'configMap'),
      ...storiesOf(SOURCES.secret, 'secret'),
      ...storiesOf(SOURCES.projectedConfigMap, 'configMap'),
      ...storiesOf(SOURCES.projectedSecret, 'secret'),
      COMBINED,
      BINARY,
      SIDE_BY_SIDE,
      SAME_NAME,
    ],
    async ({ api }) => {
      await api.post('/api/v1/namespaces', { metadata: { name: OTHER_NAMESPACE } });
      await api.post(
        `/api/v1/namespaces/${OTHER_NAMESPACE}/secrets`,
        secret('same-name', { 'data-1': 'value-of-there' }),
      );
      return () => api.delete(`/api/v1/namespaces/${OTHER_NAMESPACE}`);
    },
  );

  for (const [title, make] of [
    ['ConfigMap', configMap],
    ['Secrets', secret],
  ] as const) {
    test(`${title} should be immutable if \`immutable\` field is set`, async () => {
      const { api } = ground();
      const object = make('lasting', { 'data-1': 'value-1' });
      const path = ground().pathOf(object);
      const field = title === 'ConfigMap' ? 'data' : 'stringData';
      await ground().create(object);
      await api.patch(path, { [field]: { 'data-1': 'value-2' } });
      await api.patch(path, { immutable: true });
      const refusals = [{ [field]: { 'data-1': 'value-3' } }, { immutable: false }, { immutable: null }];
      for (const change of refusals) {
        const { code, text } = await api.try('PATCH', path, change, 'application/merge-patch+json');
        expect(code).toBe(422);
        expect(text).toContain('field is immutable when `immutable` is set');
      }
      await api.patch(path, { metadata: { labels: { still: 'changeable' } } });
      await api.delete(path);
    });
  }
});
