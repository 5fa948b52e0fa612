/** ResourceClaim: devices for pods, asked for and given. Source: API reference, resource.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, KEEP_ALL_METADATA, nameColumn } from '#api/machinery/define-kind.ts';
import { isImmutable } from '#api/machinery/field-rules.ts';
import { defaultClaimSpec, validateClaimSpec } from './claim-rules.ts';
import { validateClaimStatus, withoutDeallocated } from './claim-status-rules.ts';

export type ResourceClaim = schema.ResourceResourceClaim;

export const ResourceClaim = defineKind<schema.ResourceResourceClaim>({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'ResourceClaim',
  plural: 'resourceclaims',
  scope: 'Namespaced',
  subresources: ['status'],
  statusKeeps: KEEP_ALL_METADATA,
  defaults: (claim) => ({ ...claim, spec: defaultClaimSpec(claim.spec) }) as schema.ResourceResourceClaim,
  validate: ({ spec }, at) => validateClaimSpec(spec, at.spec),
  prepareForStatusUpdate: withoutDeallocated,
  updateHasOwnRules: true,
  validateUpdate: ({ next, current, at }) => isImmutable(at.spec, next.spec, current.spec),
  validateStatusUpdate: validateClaimStatus,
  columns: [nameColumn(), column('State', 'string', stateOf), ageColumn()],
});

function stateOf({ metadata, status }: schema.ResourceResourceClaim): string {
  const states: string[] = [];
  if (metadata.deletionTimestamp) states.push('deleted');
  if (status?.allocation) states.push('allocated');
  if (status?.reservedFor?.length) states.push('reserved');
  else if (!status?.allocation && !metadata.deletionTimestamp) states.push('pending');
  return states.join(',');
}
