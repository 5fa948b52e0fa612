/** Conditions of a certificate request: which there may be, and what may become of them where. Texts as upstream's. */
import type { CertificateSigningRequest, CertificateSigningRequestCondition } from '#api/generated/schema.ts';
import { isEqual } from '#api/machinery/equal.ts';
import {
  duplicateValue,
  type FieldError,
  forbiddenField,
  invalidValue,
  notSupportedValue,
  requiredValue,
} from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { differenceOf } from '#api/machinery/unified-diff.ts';

export const DECISIONS: readonly string[] = ['Approved', 'Denied'];
const FINAL: readonly string[] = [...DECISIONS, 'Failed'];

type Conditions = readonly CertificateSigningRequestCondition[];

export const conditionsOf = ({ status }: CertificateSigningRequest): Conditions => status?.conditions ?? [];

export const hasCondition = (request: CertificateSigningRequest, type: string): boolean =>
  conditionsOf(request).some((condition) => condition.type === type && condition.status === 'True');

/** What was wrong before is let be. */
export function validateConditions(
  next: CertificateSigningRequest,
  current: CertificateSigningRequest,
  at: At<CertificateSigningRequest>,
): FieldError[] {
  const before = conditionsOf(current);
  const path = at.status.conditions;
  const mayContradict = DECISIONS.every((type) => before.some((condition) => condition.type === type));
  const mayRepeat = new Set(before.map(({ type }) => type)).size < before.length;
  const mayBeUnnamed = before.some(({ type }) => !type);
  const seen = new Set<string>();
  return conditionsOf(next).flatMap(({ type = '', status }, index) => {
    const here = path[index]!;
    const errors: FieldError[] = type || mayBeUnnamed ? [] : [requiredValue(here.type)];
    const allowed = FINAL.includes(type) ? ['True'] : ['False', 'True', 'Unknown'];
    if (!status) errors.push(requiredValue(here.status));
    else if (!allowed.includes(status)) errors.push(notSupportedValue(here.status, status, allowed));
    const other = DECISIONS.find((decision) => decision !== type) ?? '';
    if (DECISIONS.includes(type) && seen.has(other) && !mayContradict)
      errors.push(invalidValue(path, type, 'Approved and Denied conditions are mutually exclusive'));
    if (seen.has(type) && !mayRepeat) errors.push(duplicateValue(here.type, type));
    seen.add(type);
    return errors;
  });
}

/** Decisions and failures are for good; decisions are made by the approval subresource alone. */
export function validateTransitions(
  next: CertificateSigningRequest,
  current: CertificateSigningRequest,
  { at, mayDecide }: { at: At<CertificateSigningRequest>; mayDecide: boolean },
): FieldError[] {
  const path = at.status.conditions;
  const of = (request: CertificateSigningRequest, type: string) =>
    conditionsOf(request).filter((condition) => condition.type === type);
  const removed = FINAL.filter((type) => of(next, type).length < of(current, type).length);
  const errors = removed.map((type) =>
    forbiddenField(path, `updates may not remove a condition of type ${JSON.stringify(type)}`),
  );
  if (mayDecide) return errors;
  for (const type of DECISIONS) {
    const [before, now] = [of(current, type), of(next, type)];
    if (now.length > before.length)
      errors.push(forbiddenField(path, `updates may not add a condition of type ${JSON.stringify(type)}`));
    else if (now.length === before.length && !isEqual(now, before))
      errors.push(
        forbiddenField(
          path,
          `updates may not modify a condition of type ${JSON.stringify(type)}\n${differenceOf(before, now)}`,
        ),
      );
  }
  return errors;
}

/** With the decisions as they were, where none was added or taken away. */
export function withDecisionsOf(
  next: CertificateSigningRequest,
  current: CertificateSigningRequest,
): CertificateSigningRequest {
  const conditions = [...conditionsOf(next)];
  for (const type of DECISIONS) {
    const before = conditionsOf(current).filter((condition) => condition.type === type);
    const places = conditions.flatMap((condition, index) => (condition.type === type ? [index] : []));
    if (places.length !== before.length) continue;
    for (const [i, place] of places.entries()) conditions[place] = before[i]!;
  }
  return conditions.length === 0 ? next : { ...next, status: { ...next.status, conditions } };
}
