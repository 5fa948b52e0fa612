/** GatewayClass: who serves the Gateways that name it. Source: Gateway API reference. */
import type { Condition } from '#api/generated/schema.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { clientKind } from './client-kind.ts';
import { awaited, conditions, definition, keyed, object, parts, rule } from './schema-parts.ts';

export interface GatewayClass extends KubeObject {
  apiVersion: 'gateway.networking.k8s.io/v1';
  kind: 'GatewayClass';
  spec: { controllerName: string; description?: string; parametersRef?: { group: string; kind: string; name: string } };
  status?: { conditions?: Condition[]; supportedFeatures?: { name: string }[] };
}

/** As a client meets it; what the API server does with it stands in the definition. */
export const GatewayClass = clientKind<GatewayClass>('GatewayClass', 'gatewayclasses', { scope: 'Cluster' });

const pending = awaited('Accepted');

export const gatewayClassDefinition = definition({
  kind: 'GatewayClass',
  plural: 'gatewayclasses',
  scope: 'Cluster',
  shortNames: ['gc'],
  versions: ['v1', 'v1beta1'],
  columns: [
    { name: 'Controller', type: 'string', jsonPath: '.spec.controllerName' },
    { name: 'Accepted', type: 'string', jsonPath: '.status.conditions[?(@.type=="Accepted")].status' },
    { name: 'Description', type: 'string', jsonPath: '.spec.description', priority: 1 },
  ],
  schema: object(
    {
      spec: object(
        {
          controllerName: {
            ...parts.controllerName,
            'x-kubernetes-validations': [rule('field is immutable', 'self == oldSelf')],
          },
          description: parts.text({ maxLength: 64 }),
          parametersRef: object(
            { group: parts.group, kind: parts.kind, name: parts.objectName, namespace: parts.namespace },
            ['group', 'kind', 'name'],
          ),
        },
        ['controllerName'],
      ),
      status: {
        ...object({
          conditions: conditions({ default: pending }),
          supportedFeatures: keyed('name', object({ name: parts.text() }, ['name']), { maxItems: 64 }),
        }),
        default: { conditions: pending },
      },
    },
    ['spec'],
  ),
});
