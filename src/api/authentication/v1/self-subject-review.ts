/** SelfSubjectReview: who am I? Answered, never stored. Source: API reference, authentication.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { defineKind } from '#api/machinery/define-kind.ts';

export type SelfSubjectReview = schema.SelfSubjectReview;

export const SelfSubjectReview = defineKind<schema.SelfSubjectReview>({
  group: 'authentication.k8s.io',
  version: 'v1',
  kind: 'SelfSubjectReview',
  plural: 'selfsubjectreviews',
  scope: 'Cluster',
  virtual: true,
});
