/** CSINode: which storage drivers a node has. Its name is the node's. Source: API reference, storage.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { duplicateValue, requiredValue } from '#api/machinery/field-error.ts';

export type CSINode = schema.CSINode;

export const CSINode = defineKind<schema.CSINode>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'CSINode',
  plural: 'csinodes',
  scope: 'Cluster',
  defaults: (node) => ({ ...node, spec: { ...node.spec, drivers: node.spec?.drivers ?? [] } }) as schema.CSINode,
  validate: ({ spec: { drivers } }, { spec: at }) =>
    drivers.flatMap(({ name, nodeID }, index) => [
      ...(name ? [] : [requiredValue(at.drivers[index]!.name)]),
      ...(nodeID ? [] : [requiredValue(at.drivers[index]!.nodeID)]),
      ...(drivers.findIndex((other) => other.name === name) < index
        ? [duplicateValue(at.drivers[index]!.name, name)]
        : []),
    ]),
  columns: [nameColumn(), column('Drivers', 'integer', ({ spec }) => spec.drivers.length), ageColumn()],
  allowUnconditionalUpdate: false,
});
