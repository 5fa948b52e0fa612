/** SubjectAccessReview: may somebody do this? Answered, never stored. Source: API reference, authorization.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { defineKind } from '#api/machinery/define-kind.ts';
import { validateAccessReview } from './access-review-rules.ts';

export type SubjectAccessReview = schema.SubjectAccessReview;

export const SubjectAccessReview = defineKind<schema.SubjectAccessReview>({
  group: 'authorization.k8s.io',
  version: 'v1',
  kind: 'SubjectAccessReview',
  plural: 'subjectaccessreviews',
  scope: 'Cluster',
  virtual: true,
  defaults: (review) => ({ ...review, spec: review.spec ?? {} }) as schema.SubjectAccessReview,
  validate: ({ spec }, at) => validateAccessReview(spec, at.spec),
});
