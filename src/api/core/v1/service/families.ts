/** Which addresses of which families a Service may have, and how they may change. Source: KEP-563. */
import type { Service, ServiceSpec } from '#api/generated/schema.ts';
import {
  duplicateValue,
  type FieldError,
  invalidValue,
  notSupportedValue,
  requiredValue,
} from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { isOneOf } from '#api/machinery/field-rules.ts';
import { isLegacyIp, meantIp, parseIpLoosely } from '#api/machinery/ip-rules.ts';
import { repeatedIn } from '#api/machinery/repeated.ts';
import { isHeadless } from './type-change.ts';

const FAMILIES = ['IPv4', 'IPv6'];
const POLICIES = ['PreferDualStack', 'RequireDualStack', 'SingleStack'];
const STAYS = 'may not change once set';

const familyOf = (ip: string): string => {
  const parsed = parseIpLoosely(ip);
  return parsed && meantIp(parsed).length === 16 ? 'IPv6' : 'IPv4';
};

/** The addresses, their families and the policy, together. `current`: what it was before; its addresses may stay. */
export function validateFamilies({ spec }: Service, { spec: at }: At<Service>, current?: Service): FieldError[] {
  if (spec.type === 'ExternalName') return [];
  const { ipFamilies = [], ipFamilyPolicy } = spec;
  const repeated = repeatedIn(ipFamilies);
  const errors = [
    ...validateFirstAddress(spec, at),
    ...ipFamilies.flatMap((family, i) => [
      ...(FAMILIES.includes(family) ? [] : [notSupportedValue(at.ipFamilies[i]!, family, FAMILIES)]),
      ...(repeated.has(i) ? [duplicateValue(at.ipFamilies[i]!, family)] : []),
    ]),
    ...isOneOf(at.ipFamilyPolicy, ipFamilyPolicy, POLICIES),
  ];
  const addresses = validateAddresses(spec, at, current?.spec.clusterIPs);
  // Of addresses that are none nobody can say whether they fit together.
  const fit = addresses.isWhole ? validateTogether(spec, at) : [];
  return [...errors, ...addresses.errors, ...fit];
}

function validateFirstAddress({ clusterIP, clusterIPs = [] }: ServiceSpec, at: At<ServiceSpec>): FieldError[] {
  const here = at.clusterIPs;
  if (!clusterIP)
    return clusterIPs.length > 0
      ? [invalidValue(here, clusterIPs, 'must be empty when `clusterIP` is not specified')]
      : [];
  if (clusterIPs.length === 0) return [requiredValue(here)];
  return clusterIPs[0] === clusterIP ? [] : [invalidValue(here, clusterIPs, 'first value must match `clusterIP`')];
}

function validateAddresses({ clusterIPs = [] }: ServiceSpec, at: At<ServiceSpec>, known: readonly string[] = []) {
  const here = at.clusterIPs;
  const errors = clusterIPs.flatMap((ip, i) => {
    if (i > 0 || ip !== 'None') return isLegacyIp(here[i]!, ip, known);
    return clusterIPs.length > 1 ? [invalidValue(here, clusterIPs, "'None' must be the first and only value")] : [];
  });
  const tooMany = clusterIPs.length > 2 ? [invalidValue(here, clusterIPs, 'may only hold up to 2 values')] : [];
  return { isWhole: errors.length === 0, errors: [...errors, ...tooMany] };
}

function validateTogether(spec: ServiceSpec, at: At<ServiceSpec>): FieldError[] {
  const { clusterIPs = [], ipFamilies = [] } = spec;
  const given = clusterIPs.map(familyOf);
  const errors: FieldError[] = [];
  if (clusterIPs.length > 1 && new Set(given).size < 2)
    errors.push(invalidValue(at.clusterIPs, clusterIPs, 'may specify no more than one IP for each IP family'));
  if (isHeadless(spec)) return errors;
  for (const [i, ip] of clusterIPs.slice(0, ipFamilies.length).entries()) {
    const family = ipFamilies[i]!;
    if (!FAMILIES.includes(family) || given[i] === family) continue;
    const text = `expected an ${family} value as indicated by \`ipFamilies[${i}]\``;
    errors.push(invalidValue(at.clusterIPs[i]!, ip, text));
  }
  return errors;
}

/** The first address and family stay; the second may be added, and taken away by a policy of SingleStack. */
export function validateFamilyChange(now: ServiceSpec, before: ServiceSpec, at: At<ServiceSpec>): FieldError[] {
  if (now.type === 'ExternalName' || before.type === 'ExternalName') return [];
  const [headless, wasHeadless] = [isHeadless(now), isHeadless(before)];
  return [
    ...(headless && wasHeadless ? [] : validateAddressChange(now, before, at)),
    ...(headless || wasHeadless ? [] : validateFamilyListChange(now, before, at)),
  ];
}

function validateAddressChange(now: ServiceSpec, before: ServiceSpec, at: At<ServiceSpec>): FieldError[] {
  const [next, held] = [now.clusterIPs ?? [], before.clusterIPs ?? []];
  const changed = (i: number) => [invalidValue(at.clusterIPs[i]!, next, STAYS)];
  if (held.length === next.length) return held.flatMap((ip, i) => (ip === next[i] ? [] : changed(i)));
  const first = held.length > 0 && next.length > 0 && next[0] !== held[0] ? changed(0) : [];
  if (held.length < next.length) return first;
  const unset = 'primary clusterIP can not be unset';
  return [
    ...(next.length === 0 ? [invalidValue(at.clusterIPs[0]!, now.clusterIPs ?? null, unset)] : []),
    ...first,
    ...(next.length === 1 ? validateRelease(now, at, 'clusterIP') : []),
  ];
}

function validateFamilyListChange(now: ServiceSpec, before: ServiceSpec, at: At<ServiceSpec>): FieldError[] {
  const [next, held] = [now.ipFamilies ?? [], before.ipFamilies ?? []];
  const addresses = now.clusterIPs ?? null;
  const here = at.ipFamilies[0]!;
  if (held.length === next.length)
    return held.flatMap((family, i) => (family === next[i] ? [] : [invalidValue(here, next, STAYS)]));
  // Upstream shows the addresses here.
  const first = held.length > 0 && next.length > 0 && next[0] !== held[0] ? [invalidValue(here, addresses, STAYS)] : [];
  if (held.length < next.length) return first;
  return [
    ...(addresses === null || addresses.length === 0
      ? [invalidValue(here, now.ipFamilies ?? null, 'primary ipFamily can not be unset')]
      : []),
    ...first,
    ...(next.length === 1 ? validateRelease(now, at, 'ipFamily') : []),
  ];
}

const validateRelease = ({ ipFamilyPolicy }: ServiceSpec, at: At<ServiceSpec>, what: string): FieldError[] =>
  ipFamilyPolicy === 'SingleStack'
    ? []
    : [
        invalidValue(
          at.ipFamilyPolicy,
          ipFamilyPolicy ?? null,
          `must be set to 'SingleStack' when releasing the secondary ${what}`,
        ),
      ];
