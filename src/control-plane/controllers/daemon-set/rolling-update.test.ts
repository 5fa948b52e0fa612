/** How many daemons may be down, or be there twice, while a new template is rolled out. Source: "DaemonSet rolling update". */
import { expect, test } from 'vitest';
import type { DaemonSet, Pod } from '#api/generated/schema.ts';
import { REVISION_HASH } from '../controller-revisions.ts';
import { limitsOf, rollingUpdate } from './rolling-update.ts';

test.each<[object | undefined, number, { surge: number; unavailable: number }]>([
  [undefined, 10, { surge: 0, unavailable: 1 }],
  [{ maxUnavailable: 3 }, 10, { surge: 0, unavailable: 3 }],
  [{ maxUnavailable: '10%' }, 15, { surge: 0, unavailable: 2 }], // rounded up
  [{ maxUnavailable: '1%' }, 3, { surge: 0, unavailable: 1 }],
  [{ maxSurge: 2, maxUnavailable: 0 }, 10, { surge: 2, unavailable: 0 }],
  [{ maxSurge: '34%', maxUnavailable: 0 }, 5, { surge: 2, unavailable: 0 }],
  [{ maxSurge: '0%', maxUnavailable: '0%' }, 5, { surge: 0, unavailable: 1 }], // else it would stand still
  [{ maxSurge: '0%', maxUnavailable: '0%' }, 0, { surge: 0, unavailable: 0 }],
])('%j on %i nodes: %j', (rollingUpdate, nodes, limits) => {
  const set = { spec: { updateStrategy: { type: 'RollingUpdate', rollingUpdate } } } as unknown as DaemonSet;
  expect(limitsOf(set, nodes)).toEqual(limits);
});

const HASH = 'next';
const updating = (limits: object) =>
  ({ metadata: {}, spec: { updateStrategy: { type: 'RollingUpdate', rollingUpdate: limits } } }) as DaemonSet;
const daemon = (name: string, hash: string) =>
  ({
    metadata: { name, labels: { [REVISION_HASH]: hash } },
    status: { conditions: [{ type: 'Ready', status: 'True' }] },
  }) as unknown as Pod;
const namesOf = (pods: readonly Pod[]) => pods.map(({ metadata }) => metadata.name);

test.each<[string, readonly Pod[]]>([
  ['of an older template', [daemon('a1', 'old'), daemon('a2', 'older')]],
  ['of the new template', [daemon('a1', HASH), daemon('a2', HASH)]],
])('a node with several pods %s counts as being updated: no other one is begun beside it', (_, several) => {
  const nowMs = 0;
  const rollingOn = (onA: readonly Pod[]) => ({
    ...{ hash: HASH, nowMs, shouldRunOn: new Set(['a', 'b']) },
    podsOn: new Map([
      ['a', onA],
      ['b', [daemon('b', 'old')]],
    ]),
  });
  const [inPlace, withSurge] = [updating({ maxUnavailable: 1 }), updating({ maxSurge: 1, maxUnavailable: 0 })];
  expect(rollingUpdate(inPlace, rollingOn(several))).toEqual({ remove: [], surgeOn: [] });
  expect(rollingUpdate(withSurge, rollingOn(several))).toEqual({ remove: [], surgeOn: [] });

  const one = [daemon('a', HASH)];
  expect(namesOf(rollingUpdate(inPlace, rollingOn(one)).remove)).toEqual(['b']);
  expect(rollingUpdate(withSurge, rollingOn(one)).surgeOn).toEqual(['b']);
});
