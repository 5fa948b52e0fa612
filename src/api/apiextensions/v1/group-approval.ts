/**
 * Groups of Kubernetes itself need a word of who may define kinds in them. Source: KEP-1111; apiextensions,
 * apihelpers.GetAPIApprovalState.
 */
import type { CustomResourceDefinition } from '#api/generated/schema.ts';
import { type FieldError, invalidValue, requiredValue } from '#api/machinery/field-error.ts';

const ANNOTATION = 'api-approved.kubernetes.io';
const WHERE = 'see https://github.com/kubernetes/enhancements/pull/1111';
const NEEDED = `protected groups must have approval annotation "${ANNOTATION}"`;

/** RFC 3986: a scheme and a host. */
const WITH_HOST = /^[a-z][a-z0-9+.-]*:\/\/[^/?#\s]+[^\s]*$/i;

export interface Approval {
  state: 'approved' | 'bypassed' | 'missing' | 'invalid';
  why: string;
}

type Annotated = Pick<CustomResourceDefinition, 'metadata' | 'spec'>;

const isProtected = (group: string): boolean =>
  ['k8s.io', 'kubernetes.io'].some((name) => group === name || group.endsWith(`.${name}`));

/** undefined for a group that is free to all. */
export function approvalOf({ metadata, spec }: Annotated): Approval | undefined {
  if (!isProtected(spec.group ?? '')) return undefined;
  const text = metadata.annotations?.[ANNOTATION] ?? '';
  if (!text) return { state: 'missing', why: `${NEEDED}, ${WHERE}` };
  if (text.startsWith('unapproved')) return { state: 'bypassed', why: `not approved: ${JSON.stringify(text)}` };
  if (WITH_HOST.test(text)) return { state: 'approved', why: `approved in ${text}` };
  return { state: 'invalid', why: `${NEEDED} with either a URL or a reason starting with "unapproved", ${WHERE}` };
}

/** A state that stands already is no reason to refuse an update. */
export function validateApproval(next: Annotated, current?: Annotated): FieldError[] {
  const approval = approvalOf(next);
  if (!approval || (current && approvalOf(current)?.state === approval.state)) return [];
  const at = `metadata.annotations[${ANNOTATION}]`;
  if (approval.state === 'missing') return [requiredValue(at, approval.why)];
  if (approval.state === 'invalid') return [invalidValue(at, next.metadata.annotations?.[ANNOTATION], approval.why)];
  return [];
}
