/** Containers that join a pod that runs, and pods that a taint sends away. */
import { describe, expect, test } from 'vitest';
import type { Node } from '#api/core/v1/node.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import { eventually } from '../running-cluster.ts';
import { playground, pod, shell } from './playground.ts';

describe('guests and taints', () => {
  const ground = playground('guests', async () => undefined);
  const path = (name: string) => ground().path('Pod', 'v1', name);
  const guest = (name: string, script: string) => ({ ...shell(script), name });
  const stateOf = ({ status }: Pod, name: string) =>
    status?.ephemeralContainerStatuses?.find((each) => each.name === name)?.state;

  test('Ephemeral Containers will start an ephemeral container in an existing pod', async () => {
    await ground().create(pod('host', { spec: { containers: [shell('sleep 3600')] } }));
    await ground().ready('host');
    const debugger_ = { ...guest('debugger', 'cat; echo polo'), stdin: true, tty: true };
    await ground().api.patch(
      `${path('host')}/ephemeralcontainers`,
      { spec: { ephemeralContainers: [debugger_] } },
      'strategic',
    );
    await ground().podWhen('host', 'has its guest', (now) => stateOf(now, 'debugger')?.running !== undefined);
    expect(await ground().exec('host', 'echo marco', 'debugger')).toBe('marco');
  });

  test('Ephemeral Containers should update the ephemeral containers in an existing pod', async () => {
    await ground().create(pod('updated', { spec: { containers: [shell('sleep 3600')] } }));
    await ground().ready('updated');
    await ground().api.patch(
      `${path('updated')}/ephemeralcontainers`,
      { spec: { ephemeralContainers: [guest('one', 'sleep 3600')] } },
      'strategic',
    );
    await ground().podWhen('updated', 'has its guest', (now) => stateOf(now, 'one')?.running !== undefined);
    await eventually('there is another', async () => {
      const now = await ground().api.get<Pod>(`${path('updated')}/ephemeralcontainers`);
      const both = [...(now.spec.ephemeralContainers ?? []), guest('two', 'echo done')];
      return (
        (
          await ground().api.try('PUT', `${path('updated')}/ephemeralcontainers`, {
            ...now,
            spec: { ...now.spec, ephemeralContainers: both },
          })
        ).code === 200
      );
    });
    await ground().podWhen('updated', 'has run the second', (now) => stateOf(now, 'two')?.terminated?.exitCode === 0);
    const { spec } = await ground().pod('updated');
    expect(spec.ephemeralContainers?.map(({ name }) => name)).toEqual(['one', 'two']);
    expect(
      (
        await ground().api.try(
          'PATCH',
          `${path('updated')}/ephemeralcontainers`,
          [{ op: 'remove', path: '/spec/ephemeralContainers/0' }],
          'application/json-patch+json',
        )
      ).code,
    ).toBe(422);
  });

  /** Runs `tale` while the node that a pod is on has a taint that sends pods away. */
  async function tainted(
    tale: (pods: { nodeName: string; untaint(): Promise<unknown> }) => Promise<void>,
    name: string,
  ) {
    const { spec } = await ground().ready(name);
    const node = `/api/v1/nodes/${spec.nodeName}`;
    const taint = (taints: object[]) => ground().api.patch<Node>(node, { spec: { taints } });
    try {
      await taint([{ key: 'kubernetes.io/e2e-evict-taint-key', value: 'evictTaintVal', effect: 'NoExecute' }]);
      await tale({ nodeName: spec.nodeName ?? '', untaint: () => taint([]) });
    } finally {
      await taint([]);
    }
  }
  /** Everything else on the nodes stays: only pods of this file know how long they tolerate. */
  const tolerating = (name: string, tolerationSeconds: number, spec: object = {}) =>
    pod(name, {
      spec: {
        containers: [shell('sleep 3600')],
        tolerations: [
          {
            key: 'kubernetes.io/e2e-evict-taint-key',
            operator: 'Equal',
            value: 'evictTaintVal',
            effect: 'NoExecute',
            tolerationSeconds,
          },
        ],
        ...spec,
      },
    });

  test('NoExecuteTaintManager Single Pod removing taint cancels eviction', async () => {
    await ground().create(tolerating('spared', 5));
    await tainted(async ({ untaint }) => {
      await untaint();
      await new Promise((done) => setTimeout(done, 8_000)); // longer than it would have tolerated it
      expect((await ground().pod('spared')).metadata.deletionTimestamp).toBeUndefined();
    }, 'spared');
  });

  test('NoExecuteTaintManager Multiple Pods evicts pods with minTolerationSeconds', async () => {
    await ground().create(tolerating('short', 2));
    const { spec } = await ground().ready('short');
    await ground().create(tolerating('long', 6, { nodeName: spec.nodeName }));
    await ground().ready('long');
    const seen = await ground().api.watchFromNow(ground().path('Pod'));
    /** In the order in which they were told to go. */
    const told = () => {
      const going = seen.events.filter(({ object: { metadata } }) => metadata.deletionTimestamp !== undefined);
      return [...new Set(going.map(({ object: { metadata } }) => metadata.name))].filter(isOurs);
    };
    const isOurs = (name: string) => name === 'short' || name === 'long';
    try {
      await tainted(
        () => eventually('both are told to go', async () => told().length === 2).then(() => undefined),
        'long',
      );
    } finally {
      seen.stop();
    }
    expect(told()).toEqual(['short', 'long']);
  });
});
