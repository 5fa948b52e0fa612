/**
 * Whether a write fits into the quotas of its namespace, and what they hold afterwards. Pure; texts as upstream's.
 */
import {
  type Amounts,
  added,
  exceeding,
  formatAmounts,
  masked,
  negativeNames,
  subtracted,
  withoutZeros,
} from '#api/core/v1/quota/amounts.ts';
import type { DeviceSurroundings } from '#api/core/v1/quota/device-usage.ts';
import { type CountedWrite, evaluatorOf, type QuotaEvaluator } from '#api/core/v1/quota/evaluator.ts';
import { type ScopeSelector, scopesOf } from '#api/core/v1/quota/scopes.ts';
import type { ResourceQuota } from '#api/core/v1/resource-quota.ts';
import { compareQuantities } from '#api/machinery/quantity.ts';

/** What needs a quota that covers it: `ResourceQuotaConfiguration`, limitedResources. */
export interface LimitedResource {
  apiGroup?: string;
  resource: string;
  /** Parts of names. */
  matchContains?: readonly string[];
  matchScopes?: readonly ScopeSelector[];
}

export interface QuotaCheck {
  write: CountedWrite;
  resource: { group: string; plural: string };
  limited: readonly LimitedResource[];
  nowMs: number;
  /** For a claim of devices. */
  devices?: DeviceSurroundings;
}

/** `quotas` is the same list when the write changes none of them. */
export type QuotaVerdict = { quotas: readonly ResourceQuota[] } | { refusal: string };

export function checkQuotas(quotas: readonly ResourceQuota[], check: QuotaCheck): QuotaVerdict {
  const { write, nowMs } = check;
  const evaluator = evaluatorOf(check.resource, check.devices);
  if (!evaluator.handles(write)) return { quotas };
  const concerned = quotas.filter((quota) => matches(quota, write, evaluator));
  for (const quota of concerned) {
    const refusal = unfitFor(quota, write, evaluator);
    if (refusal) return { refusal };
  }
  const usage = evaluator.usage(write.next, nowMs);
  const negative = negativeNames(usage);
  if (negative.length > 0) return { refusal: `quota usage is negative for resource(s): ${negative.join(',')}` };

  const before = write.verb === 'update' && write.current ? evaluator.usage(write.current, nowMs) : {};
  const more = write.verb === 'update' ? subtracted(usage, before) : usage;
  /** A quota that did not count the object before, because of its scopes, counts all of it now. */
  const chargeOf = (quota: ResourceQuota): Amounts =>
    withoutZeros(write.current && !matches(quota, { ...write, next: write.current }, evaluator) ? usage : more);
  const charges = new Map(concerned.map((quota) => [quota, chargeOf(quota)]));
  const isFree = concerned.length > 0 ? [...charges.values()].every(isEmpty) : isEmpty(withoutZeros(more));
  if (isFree) return { quotas };

  const uncovered = uncoveredBy(quotas, concerned, { check, evaluator, usage });
  if (uncovered) return { refusal: uncovered };
  if (concerned.length === 0) return { quotas };
  return charged(quotas, charges, write.subresource);
}

const isEmpty = (amounts: Amounts): boolean => Object.keys(amounts).length === 0;

const matches = ({ spec, status }: ResourceQuota, { next }: CountedWrite, evaluator: QuotaEvaluator): boolean =>
  Object.keys(status?.hard ?? {}).some((name) => evaluator.isUsed(name)) &&
  scopesOf(spec).every((selector) => evaluator.matchesScope(next, selector));

/** The names of a quota that this object may use. Sorted. */
const namesOf = ({ status }: ResourceQuota, evaluator: QuotaEvaluator): string[] =>
  Object.keys(status?.hard ?? {})
    .filter((name) => evaluator.isUsed(name))
    .sort();

function unfitFor(quota: ResourceQuota, { next }: CountedWrite, evaluator: QuotaEvaluator): string | undefined {
  const names = namesOf(quota, evaluator);
  const complaint = evaluator.complaint?.(next, names);
  if (complaint) return `failed quota: ${quota.metadata.name}: ${complaint}`;
  const isKnown = names.every((name) => quota.status?.used?.[name] !== undefined);
  return isKnown ? undefined : `status unknown for quota: ${quota.metadata.name}, resources: ${names.join(',')}`;
}

function uncoveredBy(
  quotas: readonly ResourceQuota[],
  concerned: readonly ResourceQuota[],
  { check, evaluator, usage }: { check: QuotaCheck; evaluator: QuotaEvaluator; usage: Amounts },
): string | undefined {
  const { group, plural } = check.resource;
  const limited = check.limited.filter(({ apiGroup = '', resource }) => apiGroup === group && resource === plural);
  const used = Object.keys(usage).filter((name) => compareQuantities(usage[name], '0') > 0);
  const needed = used.filter((name) =>
    limited.some(({ matchContains = [] }) => matchContains.some((part) => name.includes(part))),
  );
  const covered = new Set(concerned.flatMap((quota) => namesOf(quota, evaluator)));
  const missing = needed.filter((name) => !covered.has(name)).sort();
  if (missing.length > 0) return `insufficient quota to consume: ${missing.join(',')}`;

  if (!evaluator.hasScopes) return undefined;
  const applies = (selector: ScopeSelector) => evaluator.matchesScope(check.write.next, selector);
  const neededScopes = check.limited.flatMap(({ matchScopes = [] }) => matchScopes).filter(applies);
  const coveredScopes = new Set(
    quotas
      .flatMap(({ spec }) => scopesOf(spec))
      .filter(applies)
      .map(({ scopeName }) => scopeName),
  );
  const open = neededScopes.filter(({ scopeName }) => !coveredScopes.has(scopeName));
  const shown = open.map(({ scopeName, operator, values = [] }) => `{${scopeName} ${operator} [${values.join(' ')}]}`);
  return open.length > 0 ? `insufficient quota to match these scopes: [${shown.join(' ')}]` : undefined;
}

function charged(
  quotas: readonly ResourceQuota[],
  charges: ReadonlyMap<ResourceQuota, Amounts>,
  subresource: string,
): QuotaVerdict {
  const result: ResourceQuota[] = [];
  for (const quota of quotas) {
    const hard = quota.status?.hard ?? {};
    const used = quota.status?.used ?? {};
    const requested = masked(charges.get(quota) ?? {}, Object.keys(hard));
    if (isEmpty(requested)) {
      result.push(quota);
      continue;
    }
    const next = added(used, requested);
    // what is so already, as a status tells, is counted whether it fits or not
    const tooMuch = subresource === 'status' ? [] : exceeding(masked(next, Object.keys(requested)), hard);
    if (tooMuch.length > 0) {
      const shown = (amounts: Amounts) => formatAmounts(masked(amounts, tooMuch));
      const { name } = quota.metadata;
      return {
        refusal: `exceeded quota: ${name}, requested: ${shown(requested)}, used: ${shown(used)}, limited: ${shown(hard)}`,
      };
    }
    result.push({ ...quota, status: { ...quota.status, used: next } });
  }
  return { quotas: result };
}
