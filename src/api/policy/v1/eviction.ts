/** Eviction: a wish to delete a pod if its budget allows that. Source: API reference, policy/v1. */
import type * as schema from '#api/generated/schema.ts';
import { defineBody } from '#api/machinery/define-kind.ts';

export type Eviction = schema.Eviction;

export const Eviction = defineBody<schema.Eviction>({ group: 'policy', version: 'v1', kind: 'Eviction' });
