import { expect, test } from 'vitest';
import { CustomResourceDefinition } from '#api/apiextensions/v1/custom-resource-definition.ts';
import type * as schema from '#api/generated/schema.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { kindsFromDefinition } from '#api/machinery/kind-from-definition.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { startCluster } from '#testing/cluster.ts';
import { scalesOver } from './scales.ts';

type Gate = KubeObject & { spec: { size: number } };

const number = { type: 'object', properties: { size: { type: 'integer' }, selector: { type: 'string' } } };
const [gateKind] = kindsFromDefinition(
  CustomResourceDefinition.defaults({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'gates.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'gates', kind: 'Gate' },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: 'object', properties: { spec: number, status: number } } },
          subresources: {
            scale: {
              specReplicasPath: '.spec.size',
              statusReplicasPath: '.status.size',
              labelSelectorPath: '.status.selector',
            },
          },
        },
      ],
    },
  } as unknown as schema.CustomResourceDefinition),
) as unknown as [Kind<Gate>];

test('a custom resource is sized by its scale, also when somebody else changed it meanwhile', async () => {
  await using cluster = await startCluster({ kinds: [gateKind] });
  const status = { size: 2, selector: 'app=gate' };
  await cluster.create(gateKind, {
    metadata: { name: 'north', namespace: 'default' },
    spec: { size: 2 },
    status,
  } as never);
  const scales = scalesOver(cluster.transportFor({ name: 'admin', groups: ['system:masters'] }), cluster.kinds);
  const target = await scales.find({ apiVersion: 'example.com/v1', kind: 'Gate', name: 'north' }, 'default');
  expect(target.scale).toMatchObject({ spec: { replicas: 2 }, status: { replicas: 2, selector: 'app=gate' } });
  await cluster.patch(gateKind, 'default/north', { metadata: { labels: { seen: 'yes' } } });
  await target.resize(5);
  await cluster.settles();
  expect(cluster.get(gateKind, 'default/north')?.spec.size).toBe(5);
});
