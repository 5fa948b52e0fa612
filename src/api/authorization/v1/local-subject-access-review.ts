/** LocalSubjectAccessReview: may somebody do this in this namespace? Answered, never stored. Source: API reference, authorization.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { defineKind } from '#api/machinery/define-kind.ts';
import { validateAccessReview, validateLocal } from './access-review-rules.ts';

export type LocalSubjectAccessReview = schema.LocalSubjectAccessReview;

export const LocalSubjectAccessReview = defineKind<schema.LocalSubjectAccessReview>({
  group: 'authorization.k8s.io',
  version: 'v1',
  kind: 'LocalSubjectAccessReview',
  plural: 'localsubjectaccessreviews',
  scope: 'Namespaced',
  virtual: true,
  defaults: (review) => ({ ...review, spec: review.spec ?? {} }) as schema.LocalSubjectAccessReview,
  validate: ({ spec, metadata }, at) => [
    ...validateAccessReview(spec, at.spec),
    ...validateLocal(spec, metadata.namespace ?? '', at.spec),
  ],
});
