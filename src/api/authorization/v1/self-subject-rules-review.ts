/** SelfSubjectRulesReview: what may I do in a namespace? Answered, never stored. Source: API reference, authorization.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { defineKind } from '#api/machinery/define-kind.ts';

export type SelfSubjectRulesReview = schema.SelfSubjectRulesReview;

export const SelfSubjectRulesReview = defineKind<schema.SelfSubjectRulesReview>({
  group: 'authorization.k8s.io',
  version: 'v1',
  kind: 'SelfSubjectRulesReview',
  plural: 'selfsubjectrulesreviews',
  scope: 'Cluster',
  virtual: true,
  defaults: (review) => ({ ...review, spec: review.spec ?? {} }) as schema.SelfSubjectRulesReview,
});
