/** Lease: who holds something, and since when; also the heartbeat of a node. Source: API reference, coordination.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { forbiddenField } from '#api/machinery/field-error.ts';
import { follows, isAbove, isNotNegative } from '#api/machinery/field-rules.ts';
import { qualifiedName } from '#api/machinery/names.ts';

export type Lease = schema.Lease;

const COORDINATED = ['OldestEmulationVersion'];

export const Lease = defineKind<schema.Lease>({
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  scope: 'Namespaced',
  shortLived: true,
  defaults: (lease) => ({ ...(lease as schema.Lease), spec: lease.spec ?? {} }),
  validate: ({ spec }, at) => [
    ...isAbove(at.spec.leaseDurationSeconds, spec.leaseDurationSeconds, 0),
    ...isNotNegative(at.spec.leaseTransitions, spec.leaseTransitions),
    ...(spec.strategy === undefined || COORDINATED.includes(spec.strategy)
      ? []
      : follows(at.spec.strategy, spec.strategy, qualifiedName)),
    ...(spec.preferredHolder && !spec.strategy
      ? [forbiddenField(at.spec.preferredHolder, 'may only be specified if `strategy` is defined')]
      : []),
  ],
  columns: [nameColumn(), column('Holder', 'string', ({ spec }) => spec.holderIdentity ?? ''), ageColumn()],
  allowUnconditionalUpdate: false,
  allowCreateOnUpdate: true,
});
