/** Volumes with what a pod and its containers say about themselves: downwardAPI, alone and in projected volumes. */
import { describe, expect, test } from 'vitest';
import { eventually } from '../running-cluster.ts';
import { type Container, type PodSpec, pod, type Story, shell, tell, type Volume } from './playground.ts';

interface Item {
  path: string;
  mode?: number;
  fieldRef?: { fieldPath: string };
  resourceFieldRef?: { containerName: string; resource: string };
}
const SOURCES: Record<string, (items: Item[], defaultMode?: number) => Volume> = {
  'Downward API volume': (items, defaultMode) => ({
    name: 'it',
    downwardAPI: { items, ...(defaultMode !== undefined && { defaultMode }) },
  }),
  'Projected downwardAPI': (items, defaultMode) => ({
    name: 'it',
    projected: { sources: [{ downwardAPI: { items } }], ...(defaultMode !== undefined && { defaultMode }) },
  }),
};
const RESOURCES = { requests: { cpu: '100m', memory: '32Mi' }, limits: { cpu: '1250m', memory: '64Mi' } };
const NAME = { path: 'podname', fieldRef: { fieldPath: 'metadata.name' } };
const volumeMounts = [{ name: 'it', mountPath: '/it' }];
const about = (resource: string): Item[] => [{ path: 'file', resourceFieldRef: { containerName: 'main', resource } }];
const cat = (volume: Volume, file: string, parts: Partial<Container> = {}): { spec: Partial<PodSpec> } => ({
  spec: {
    volumes: [volume],
    containers: [shell(`cat /it/${file}; echo; stat -L -c %A /it/${file}`, { volumeMounts, ...parts })],
  },
});

const stories: Story[] = Object.entries(SOURCES).flatMap(([title, volume]) => {
  const limits = { resources: RESOURCES };
  const told: [name: string, pod: { spec: Partial<PodSpec> }, says: RegExp][] = [
    ['should provide podname only', cat(volume([NAME]), 'podname'), /^story-\d+\n-rw-r--r--\n$/],
    ['should set DefaultMode on files', cat(volume([NAME], 0o400), 'podname'), /\n-r--------\n$/],
    ['should set mode on item file', cat(volume([{ ...NAME, mode: 0o400 }]), 'podname'), /\n-r--------\n$/],
    ["should provide container's cpu limit", cat(volume(about('limits.cpu')), 'file', limits), /^2\n/],
    ["should provide container's memory limit", cat(volume(about('limits.memory')), 'file', limits), /^67108864\n/],
    ["should provide container's cpu request", cat(volume(about('requests.cpu')), 'file', limits), /^1\n/],
    ["should provide container's memory request", cat(volume(about('requests.memory')), 'file', limits), /^33554432\n/],
    [
      'should provide node allocatable (cpu) as default cpu limit if the limit is not set',
      cat(volume(about('limits.cpu')), 'file'),
      /^[1-9]\d*\n/,
    ],
    [
      'should provide node allocatable (memory) as default memory limit if the limit is not set',
      cat(volume(about('limits.memory')), 'file'),
      /^[1-9]\d*\n/,
    ],
  ];
  return told.map(([name, pod, says]) => ({ name: `${title} ${name}`, pod, says: [says] }));
});

describe('downward API in volumes', () => {
  const waiting = Object.keys(SOURCES);
  const nameOf = (title: string) => `changing-${waiting.indexOf(title)}`;
  const ground = tell('downward', stories, async (it) => {
    const items = ['labels', 'annotations'].map((path) => ({ path, fieldRef: { fieldPath: `metadata.${path}` } }));
    const pods = Object.entries(SOURCES).map(([title, volume]) =>
      pod(nameOf(title), {
        labels: { key1: 'value1', key2: 'value2' },
        annotations: { builder: 'bar' },
        spec: { volumes: [volume(items)], containers: [shell('sleep 1000', { volumeMounts })] },
      }),
    );
    await it.create(...pods);
    return undefined;
  });

  for (const title of waiting) {
    for (const [what, before, change, after] of [
      ['labels', 'key1="value1"\nkey2="value2"', { labels: { key3: 'value3' } }, 'key3="value3"'],
      ['annotations', 'builder="bar"', { annotations: { builder: 'foo' } }, 'builder="foo"'],
    ] as const) {
      test(`${title} should update ${what} on modification`, async () => {
        const name = nameOf(title);
        await ground().ready(name);
        const read = () => ground().exec(name, `cat /it/${what}`);
        expect(await read()).toContain(before);
        await ground().api.patch(ground().path('Pod', 'v1', name), { metadata: change });
        await eventually(`the file of ${what} changes`, async () => (await read()).includes(after), 100_000);
      });
    }
  }
});
