/** TokenReview: whose token is this? Answered, never stored. Source: API reference, authentication.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { defineKind } from '#api/machinery/define-kind.ts';

export type TokenReview = schema.TokenReview;

export const TokenReview = defineKind<schema.TokenReview>({
  group: 'authentication.k8s.io',
  version: 'v1',
  kind: 'TokenReview',
  plural: 'tokenreviews',
  scope: 'Cluster',
  virtual: true,
  defaults: (review) => ({ ...review, spec: { token: '', ...review.spec } }) as schema.TokenReview,
});
