import { describe, expect, test } from 'vitest';
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { DaemonSet } from './daemon-set.ts';
import { Deployment } from './deployment.ts';
import { ReplicaSet } from './replica-set.ts';
import { StatefulSet } from './stateful-set.ts';

const doubled = { name: 'A', value: '1' };
const WARNING =
  'spec.template.spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply';

const withDoubledVariable = (kind: Kind, generation: number) =>
  kind.defaults({
    apiVersion: 'apps/v1',
    kind: kind.kind,
    metadata: { name: 'web', namespace: 'a', generation },
    spec: {
      selector: { matchLabels: { app: 'web' } },
      template: {
        metadata: { labels: { app: 'web' } },
        spec: { containers: [{ name: 'web', image: 'web:1', env: [doubled, doubled] }] },
      },
    },
  } as unknown as KubeObject);

describe.each(
  [DaemonSet, Deployment, ReplicaSet, StatefulSet].map((kind) => [kind.kind, kind as unknown as Kind] as const),
)('warnings of a %s', (_, kind) => {
  test('are given when it is made and when what it specifies changes', () => {
    expect(kind.warnings(withDoubledVariable(kind, 1), undefined)).toContain(WARNING);
    expect(kind.warnings(withDoubledVariable(kind, 2), withDoubledVariable(kind, 1))).toContain(WARNING);
  });

  test('are not repeated by an update of something else', () => {
    expect(kind.warnings(withDoubledVariable(kind, 1), withDoubledVariable(kind, 1))).toEqual([]);
  });
});
