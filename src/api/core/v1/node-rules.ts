/** What a node may say of itself, and what of it may still change. Source: API reference, core/v1; texts as upstream. */
import type { Node, NodeAddress, Taint } from '#api/generated/schema.ts';
import type { Change } from '#api/machinery/define-kind.ts';
import { isEqual } from '#api/machinery/equal.ts';
import {
  duplicateValue,
  type FieldError,
  forbiddenField,
  internalFieldError,
  invalidValue,
  requiredValue,
} from '#api/machinery/field-error.ts';
import { type At, type Path, root } from '#api/machinery/field-path.ts';
import { familyOf, follows, mustBeOneOf } from '#api/machinery/field-rules.ts';
import { parseCidr } from '#api/machinery/ip.ts';
import { isLegacyCidr } from '#api/machinery/ip-rules.ts';
import { labelValue, qualifiedName } from '#api/machinery/names.ts';
import { repeatedIn } from '#api/machinery/repeated.ts';
import { validateResourceAmount } from './resource-names.ts';

const EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];
const FEATURE = /^[A-Z][a-zA-Z0-9]*(\/[a-zA-Z][a-zA-Z0-9]*)*$/;
const MAX_FEATURE = 253;

/** Upstream's messages look for taints in the metadata. */
const taintsAt = root<Taint[]>('metadata.taints');

export const validateNode = (node: Node, at: At<Node>): FieldError[] => [
  ...validateTaints(node.spec.taints ?? []),
  ...validateResources(node, at),
  ...validateSwap(node),
  ...validateFeatures(node.status?.declaredFeatures ?? [], at.status.declaredFeatures),
  ...validatePodCidrs(node.spec.podCIDRs ?? [], at.spec.podCIDRs),
];

export function validateNodeUpdate({ next, current, at }: Change<Node>): FieldError[] {
  const errors: FieldError[] = [];
  if (current.spec.podCIDRs?.length && !isEqual(next.spec.podCIDRs, current.spec.podCIDRs))
    errors.push(forbiddenField(at.spec.podCIDRs, 'node updates may not change podCIDR except from "" to valid'));
  if (current.spec.providerID && next.spec.providerID !== current.spec.providerID)
    errors.push(forbiddenField(at.spec.providerID, 'node updates may not change providerID except from "" to valid'));
  if ((next.spec.externalID ?? '') !== (current.spec.externalID ?? ''))
    errors.push(forbiddenField(at.spec.externalID, 'may not be updated'));
  return errors;
}

export const validateNodeStatus = ({ next, at }: Change<Node>): FieldError[] => [
  ...validateResources(next, at),
  ...validateFeatures(next.status?.declaredFeatures ?? [], at.status.declaredFeatures),
  ...validateAddresses(next.status?.addresses ?? [], at.status.addresses),
  ...validateTaints(next.spec.taints ?? []),
];

function validateAddresses(addresses: readonly NodeAddress[], at: At<NodeAddress[]>): FieldError[] {
  const repeated = repeatedIn(addresses.map(({ type, address }) => JSON.stringify([type, address])));
  return [...repeated].map((index) => {
    const { type, address } = addresses[index]!;
    return duplicateValue(at[index]!, { Type: type, Address: address });
  });
}

function validateTaints(taints: readonly Taint[]): FieldError[] {
  const repeated = repeatedIn(taints.map(({ key, effect }) => JSON.stringify([key, effect])));
  return taints.flatMap((taint, index) => {
    const here = taintsAt[index]!;
    const { key = '', value = '', effect = '' } = taint;
    const complaints = labelValue(value);
    const shown = { Key: key, Value: value, Effect: effect, TimeAdded: taint.timeAdded ?? null };
    return [
      ...follows(here.key, key, qualifiedName),
      ...(complaints.length > 0 ? [invalidValue(here.value, value, complaints.join(';'))] : []),
      ...(effect ? mustBeOneOf(here.effect, effect, EFFECTS) : [requiredValue(here.effect)]),
      ...(repeated.has(index)
        ? [withDetail(duplicateValue(here, shown), 'taints must be unique by key and effect pair')]
        : []),
    ];
  });
}

const withDetail = (error: FieldError, detail: string): FieldError => ({
  ...error,
  message: `${error.message}: ${detail}`,
});

function validateSwap({ status }: Node): FieldError[] {
  const capacity = status?.nodeInfo?.swap?.capacity;
  return capacity === undefined || capacity > 0
    ? []
    : [invalidValue('metadata.nodeSwapStatus.capacity', capacity, 'must be greater than zero')];
}

/** In order, each once. */
const validateFeatures = (features: readonly string[], at: At<string[]>): FieldError[] =>
  features.flatMap((feature, index) => {
    const next = features[index + 1];
    const errors = whyNoFeature(feature).map((text) => invalidValue(at[index]!, feature, text));
    if (next === undefined || feature < next) return errors;
    return feature === next
      ? [...errors, duplicateValue(at[index + 1]!, next)]
      : [...errors, invalidValue(at[index + 1]!, next, 'list must be sorted alphabetically')];
  });

function whyNoFeature(name: string): string[] {
  const shown = `invalid feature name ${JSON.stringify(name)}`;
  if (name.length > MAX_FEATURE) return [`${shown}: must be no more than ${MAX_FEATURE} characters`];
  if (FEATURE.test(name)) return [];
  const form =
    "must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters and slashes";
  return [`${shown}: ${form}`];
}

function validatePodCidrs(cidrs: readonly string[], at: At<string[]>): FieldError[] {
  const errors = cidrs.flatMap((cidr, index) => isLegacyCidr(at[index]!, cidr));
  if (cidrs.length < 2) return errors;
  const bad = cidrs.findIndex((cidr) => !parseCidr(cidr));
  if (bad >= 0) errors.push(unreadable(cidrs[bad]!, bad, at));
  const families = new Set(cidrs.map((cidr) => familyOf(cidr.split('/')[0] ?? '')));
  if (bad >= 0 || cidrs.length > 2 || families.size < 2)
    errors.push(invalidValue(at, cidrs, 'may specify no more than one CIDR for each IP family'));
  return errors;
}

const unreadable = (cidr: string, index: number, at: Path): FieldError =>
  internalFieldError(
    at,
    `invalid PodCIDRs. failed to check with dual stack with error:invalid CIDR[${index}]: <nil> (invalid CIDR address: ${cidr})`,
  );

const validateResources = ({ status }: Node, at: At<Node>): FieldError[] => [
  ...Object.entries(status?.capacity ?? {}).flatMap(([name, amount]) =>
    validateResourceAmount(name, amount, at.status.capacity[name]!),
  ),
  ...Object.entries(status?.allocatable ?? {}).flatMap(([name, amount]) =>
    validateResourceAmount(name, amount, at.status.allocatable[name]!),
  ),
];
