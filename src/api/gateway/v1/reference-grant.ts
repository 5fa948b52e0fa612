/** ReferenceGrant: objects of other namespaces that may refer to some of this one. Source: Gateway API reference. */

import type { KubeObject } from '#api/machinery/object.ts';
import { clientKind } from './client-kind.ts';
import { definition, list, object, parts } from './schema-parts.ts';

export interface ReferenceGrant extends KubeObject {
  apiVersion: 'gateway.networking.k8s.io/v1beta1';
  kind: 'ReferenceGrant';
  spec: {
    from: { group: string; kind: string; namespace: string }[];
    to: { group: string; kind: string; name?: string }[];
  };
}

export const ReferenceGrant = clientKind<ReferenceGrant>('ReferenceGrant', 'referencegrants', {
  version: 'v1beta1',
  mayBeMissing: true,
});

export interface Reference {
  group: string;
  kind: string;
  namespace: string;
  name: string;
}

/** Always within one namespace. @param grants of all namespaces. */
export function mayRefer(from: Omit<Reference, 'name'>, to: Reference, grants: readonly ReferenceGrant[]): boolean {
  if (from.namespace === to.namespace) return true;
  return grants.some(
    ({ metadata, spec }) =>
      metadata.namespace === to.namespace &&
      spec.from.some((one) => one.group === from.group && one.kind === from.kind && one.namespace === from.namespace) &&
      spec.to.some((one) => one.group === to.group && one.kind === to.kind && (!one.name || one.name === to.name)),
  );
}

export const referenceGrantDefinition = definition({
  kind: 'ReferenceGrant',
  plural: 'referencegrants',
  shortNames: ['refgrant'],
  versions: ['v1', 'v1beta1'],
  stored: 'v1beta1',
  hasStatus: false,
  columns: [],
  schema: object({
    spec: object(
      {
        from: list(
          object({ group: parts.group, kind: parts.kind, namespace: parts.namespace }, ['group', 'kind', 'namespace']),
          { minItems: 1, maxItems: 16 },
        ),
        to: list(object({ group: parts.group, kind: parts.kind, name: parts.objectName }, ['group', 'kind']), {
          minItems: 1,
          maxItems: 16,
        }),
      },
      ['from', 'to'],
    ),
  }),
});
