import { expect, test } from 'vitest';
import type { Pod } from '#api/generated/schema.ts';
import { type PodEvent, type PodWork, step } from './pod-work.ts';

const pod = { metadata: { name: 'web' } } as Pod;
const next = { metadata: { name: 'web', generation: 2 } } as Pod;
const syncing: PodWork = { phase: 'syncing', pod };
const terminating: PodWork = { phase: 'terminating', pod, graceSeconds: 30 };
const terminated: PodWork = { phase: 'terminated', pod };

for (const { name, work, event, after } of [
  {
    name: 'a pod that is told to stop terminates',
    work: syncing,
    event: { type: 'told to stop', graceSeconds: 30 },
    after: terminating,
  },
  {
    name: 'grace shrinks',
    work: terminating,
    event: { type: 'told to stop', graceSeconds: 5 },
    after: { ...terminating, graceSeconds: 5 },
  },
  {
    name: 'grace never grows',
    work: terminating,
    event: { type: 'told to stop', graceSeconds: 60 },
    after: terminating,
  },
  {
    name: 'a terminated pod stays so',
    work: terminated,
    event: { type: 'told to stop', graceSeconds: 0 },
    after: terminated,
  },
  {
    name: 'a terminating pod whose containers stopped is terminated',
    work: terminating,
    event: { type: 'containers stopped' },
    after: terminated,
  },
  {
    name: 'a syncing pod does not terminate because containers stopped',
    work: syncing,
    event: { type: 'containers stopped' },
    after: syncing,
  },
  {
    name: 'a new configuration changes no phase',
    work: terminating,
    event: { type: 'configured', pod: next },
    after: { ...terminating, pod: next },
  },
] satisfies { name: string; work: PodWork; event: PodEvent; after: PodWork }[])
  test(name, () => expect(step(work, event)).toEqual(after));
