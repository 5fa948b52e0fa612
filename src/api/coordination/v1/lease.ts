/** Lease: who holds something, and since when; also the heartbeat of a node. Source: API reference, coordination.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { isAbove, isNotNegative } from '#api/machinery/field-rules.ts';

export type Lease = schema.Lease;

export const Lease = defineKind<schema.Lease>({
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  anyFinalizer: true,
  scope: 'Namespaced',
  shortLived: true,
  defaults: (lease) => ({ ...(lease as schema.Lease), spec: lease.spec ?? {} }),
  prepareForCreate: withoutCoordination,
  prepareForUpdate: withoutCoordination,
  validate: ({ spec }, at) => [
    ...isAbove(at.spec.leaseDurationSeconds, spec.leaseDurationSeconds, 0),
    ...isNotNegative(at.spec.leaseTransitions, spec.leaseTransitions),
  ],
  columns: [nameColumn(), column('Holder', 'string', ({ spec }) => spec.holderIdentity ?? ''), ageColumn()],
  allowUnconditionalUpdate: false,
  allowCreateOnUpdate: true,
});

/** Fields of CoordinatedLeaderElection, which is off. */
function withoutCoordination(lease: schema.Lease): schema.Lease {
  if (lease.spec.strategy === undefined && lease.spec.preferredHolder === undefined) return lease;
  const { strategy: _strategy, preferredHolder: _holder, ...spec } = lease.spec;
  return { ...lease, spec };
}
