/** SelfSubjectAccessReview: may I do this? Answered, never stored. Source: API reference, authorization.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { defineKind } from '#api/machinery/define-kind.ts';
import { validateSubjectOfReview } from './access-review-rules.ts';

export type SelfSubjectAccessReview = schema.SelfSubjectAccessReview;

export const SelfSubjectAccessReview = defineKind<schema.SelfSubjectAccessReview>({
  group: 'authorization.k8s.io',
  version: 'v1',
  kind: 'SelfSubjectAccessReview',
  plural: 'selfsubjectaccessreviews',
  scope: 'Cluster',
  virtual: true,
  defaults: (review) => ({ ...review, spec: review.spec ?? {} }) as schema.SelfSubjectAccessReview,
  validate: ({ spec }, at) => validateSubjectOfReview(spec, at.spec),
});
