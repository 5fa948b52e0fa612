/** How many daemons may be down, or be there twice, while a new template is rolled out. Source: "DaemonSet rolling update". */
import { expect, test } from 'vitest';
import type { DaemonSet } from '#api/generated/schema.ts';
import { limitsOf } from './rolling-update.ts';

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
