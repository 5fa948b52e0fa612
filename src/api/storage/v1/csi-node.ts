/** CSINode: which storage drivers a node has. Its name is the node's. Source: API reference, storage.k8s.io/v1. */

import { validateDriverName } from '#api/core/v1/pod/volume-sources.ts';
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { duplicateValue, invalidValue, requiredValue } from '#api/machinery/field-error.ts';
import { follows, isNotNegative } from '#api/machinery/field-rules.ts';
import { qualifiedName } from '#api/machinery/names.ts';
import { IMMUTABLE } from '#api/machinery/object-meta.ts';
import { repeatedIn } from '#api/machinery/repeated.ts';

const MAX_NODE_ID = 256;

export type CSINode = schema.CSINode;

export const CSINode = defineKind<schema.CSINode>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'CSINode',
  plural: 'csinodes',
  scope: 'Cluster',
  defaults: (node) => ({ ...node, spec: { ...node.spec, drivers: node.spec?.drivers ?? [] } }) as schema.CSINode,
  validate: ({ spec: { drivers } }, { spec: at }) => {
    const repeated = repeatedIn(drivers.map(({ name }) => name));
    return drivers.flatMap(({ name, nodeID = '', allocatable, topologyKeys }, index) => {
      const here = at.drivers[index]!;
      const repeatedKeys = repeatedIn(topologyKeys ?? []);
      return [
        ...validateDriverName(name, here.name),
        ...(nodeID ? [] : [requiredValue(here.nodeID)]),
        ...(nodeID.length > MAX_NODE_ID
          ? [invalidValue(here.nodeID, nodeID, `must be ${MAX_NODE_ID} characters or less`)]
          : []),
        ...isNotNegative(here.allocatable.count, allocatable?.count),
        ...(repeated.has(index) ? [duplicateValue(here.name, name)] : []),
        ...(topologyKeys ?? []).flatMap((key, i) => [
          ...(key ? [] : [requiredValue(here)]),
          ...(repeatedKeys.has(i) ? [duplicateValue(here, key)] : []),
          ...follows(here, key, qualifiedName),
        ]),
      ];
    });
  },
  /** How much a driver takes may change; what it is may not. */
  validateUpdate: ({ next, current, at }) =>
    current.spec.drivers.flatMap(({ allocatable: _before, ...old }) =>
      next.spec.drivers
        .filter(({ name }) => name === old.name)
        .flatMap(({ allocatable: _now, ...driver }) =>
          isEqual(shownDriver(driver), shownDriver(old))
            ? []
            : [invalidValue(at.spec.drivers, shownDriver(driver), IMMUTABLE)],
        ),
    ),
  columns: [nameColumn(), column('Drivers', 'integer', ({ spec }) => spec.drivers.length), ageColumn()],
  allowUnconditionalUpdate: false,
});

/** The message shows upstream's own form of a driver. */
const shownDriver = ({ name, nodeID = '', topologyKeys }: Omit<schema.CSINodeDriver, 'allocatable'>) => ({
  Name: name,
  NodeID: nodeID,
  TopologyKeys: topologyKeys?.length ? topologyKeys : null,
  Allocatable: null,
});
