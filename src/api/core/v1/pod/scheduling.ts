/** Where a pod may run: tolerations, affinities, spreading. Source: "Assigning Pods to Nodes". */
import type {
  Affinity,
  NodeSelector,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  PodAffinityTerm,
  Toleration,
  TopologySpreadConstraint,
} from '#api/generated/schema.ts';
import {
  duplicateValue,
  type FieldError,
  forbiddenField,
  invalidValue,
  notSupportedValue,
  requiredValue,
} from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { follows, isOneOf } from '#api/machinery/field-rules.ts';
import { validateLabelSelector } from '#api/machinery/label-selector.ts';
import { dns1123Label, dns1123Subdomain, labelValue, qualifiedName } from '#api/machinery/names.ts';

const EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

export const validateTolerations = (tolerations: readonly Toleration[], at: At<Toleration[]>): FieldError[] =>
  tolerations.flatMap((toleration, index) => validateToleration(toleration, at[index]!));

function validateToleration(toleration: Toleration, at: At<Toleration>): FieldError[] {
  const { key, operator, value = '', effect, tolerationSeconds } = toleration;
  const errors = key ? follows(at.key, key, qualifiedName) : [];
  if (!key && operator !== 'Exists')
    errors.push(
      invalidValue(
        at.operator,
        operator ?? '',
        'operator must be Exists when `key` is empty, which means "match all values and all keys"',
      ),
    );
  if (tolerationSeconds !== undefined && effect !== 'NoExecute')
    errors.push(invalidValue(at.effect, effect ?? '', "effect must be 'NoExecute' when `tolerationSeconds` is set"));
  switch (operator || 'Equal') {
    case 'Equal': {
      const complaints = labelValue(value);
      if (complaints.length > 0) errors.push(invalidValue(at.operator, value, complaints.join(';')));
      break;
    }
    case 'Exists':
      if (value) errors.push(invalidValue(at.operator, value, "value must be empty when `operator` is 'Exists'"));
      break;
    case 'Gt':
    case 'Lt':
      errors.push(notSupportedValue(at.operator, operator, ['Equal', 'Exists', 'Lt', 'Gt']));
      break;
    default:
      errors.push(notSupportedValue(at.operator, operator, ['Equal', 'Exists']));
  }
  return effect ? [...errors, ...isOneOf(at.effect, effect, EFFECTS)] : errors;
}

export function validateAffinity(affinity: Affinity, at: At<Affinity>): FieldError[] {
  const { nodeAffinity, podAffinity, podAntiAffinity } = affinity;
  const errors: FieldError[] = [];
  if (nodeAffinity) {
    const {
      requiredDuringSchedulingIgnoredDuringExecution: required,
      preferredDuringSchedulingIgnoredDuringExecution: preferred,
    } = nodeAffinity;
    const here = at.nodeAffinity;
    if (required) errors.push(...validateNodeSelector(required, here.requiredDuringSchedulingIgnoredDuringExecution));
    for (const [index, term] of (preferred ?? []).entries()) {
      const path = here.preferredDuringSchedulingIgnoredDuringExecution[index]!;
      errors.push(...validateWeight(term.weight, path.weight));
      errors.push(...validateNodeTerm(term.preference, path.preference));
    }
  }
  for (const [name, pods] of [
    ['podAffinity', podAffinity],
    ['podAntiAffinity', podAntiAffinity],
  ] as const) {
    for (const [index, term] of (pods?.requiredDuringSchedulingIgnoredDuringExecution ?? []).entries())
      errors.push(...validatePodTerm(term, at[name].requiredDuringSchedulingIgnoredDuringExecution[index]!));
    for (const [index, term] of (pods?.preferredDuringSchedulingIgnoredDuringExecution ?? []).entries()) {
      const path = at[name].preferredDuringSchedulingIgnoredDuringExecution[index]!;
      errors.push(...validateWeight(term.weight, path.weight));
      errors.push(...validatePodTerm(term.podAffinityTerm, path.podAffinityTerm));
    }
  }
  return errors;
}

const validateWeight = (weight: number, at: At<number>): FieldError[] =>
  weight >= 1 && weight <= 100 ? [] : [invalidValue(at, weight ?? 0, 'must be in the range 1-100')];

export function validateNodeSelector({ nodeSelectorTerms = [] }: NodeSelector, at: At<NodeSelector>): FieldError[] {
  if (nodeSelectorTerms.length === 0)
    return [requiredValue(at.nodeSelectorTerms, 'must have at least one node selector term')];
  return nodeSelectorTerms.flatMap((term, index) => validateNodeTerm(term, at.nodeSelectorTerms[index]!));
}

const validateNodeTerm = (term: NodeSelectorTerm, at: At<NodeSelectorTerm>): FieldError[] => [
  ...(term?.matchExpressions ?? []).flatMap((requirement, i) =>
    validateRequirement(requirement, at.matchExpressions[i]!),
  ),
  ...(term?.matchFields ?? []).flatMap((requirement, i) => validateFieldRequirement(requirement, at.matchFields[i]!)),
];

function validateRequirement(requirement: NodeSelectorRequirement, at: At<NodeSelectorRequirement>): FieldError[] {
  const { key = '', operator, values = [] } = requirement;
  const errors: FieldError[] = [];
  switch (operator) {
    case 'In':
    case 'NotIn':
      if (values.length === 0)
        errors.push(requiredValue(at.values, "must be specified when `operator` is 'In' or 'NotIn'"));
      break;
    case 'Exists':
    case 'DoesNotExist':
      if (values.length > 0)
        errors.push(forbiddenField(at.values, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
      break;
    case 'Gt':
    case 'Lt':
      if (values.length !== 1)
        errors.push(requiredValue(at.values, "must be specified single value when `operator` is 'Lt' or 'Gt'"));
      break;
    default:
      errors.push(invalidValue(at.operator, operator, 'not a valid selector operator'));
  }
  return [
    ...errors,
    ...follows(at.key, key, qualifiedName),
    ...values.flatMap((value, i) => follows(at.values[i]!, value, labelValue)),
  ];
}

function validateFieldRequirement(
  { key, operator, values = [] }: NodeSelectorRequirement,
  at: At<NodeSelectorRequirement>,
): FieldError[] {
  const errors: FieldError[] = [];
  if (operator !== 'In' && operator !== 'NotIn')
    errors.push(invalidValue(at.operator, operator, 'not a valid selector operator'));
  else if (values.length !== 1)
    errors.push(
      requiredValue(at.values, "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"),
    );
  if (key !== 'metadata.name') errors.push(invalidValue(at.key, key, 'not a valid field selector key'));
  else errors.push(...values.flatMap((value, i) => follows(at.values[i]!, value, dns1123Subdomain)));
  return errors;
}

function validatePodTerm(term: PodAffinityTerm, at: At<PodAffinityTerm>): FieldError[] {
  const namespace = (at as unknown as At<{ namespace: string }>).namespace; // as upstream names it
  return [
    ...validateLabelSelector(term.labelSelector, at.labelSelector),
    ...validateLabelSelector(term.namespaceSelector, at.namespaceSelector),
    ...(term.namespaces ?? []).flatMap((name) => follows(namespace, name, dns1123Label)),
    ...validateLabelKeys(term, at),
    ...(term.topologyKey ? [] : [requiredValue(at.topologyKey, 'can not be empty')]),
    ...follows(at.topologyKey, term.topologyKey ?? '', qualifiedName),
  ];
}

type WithLabelKeys = Pick<PodAffinityTerm, 'labelSelector' | 'matchLabelKeys' | 'mismatchLabelKeys'>;

/** Keys whose values a pod's own labels give. */
function validateLabelKeys(term: WithLabelKeys, at: At<WithLabelKeys>): FieldError[] {
  const { labelSelector: selector, matchLabelKeys = [], mismatchLabelKeys = [] } = term;
  const errors: FieldError[] = [];
  for (const [field, keys] of Object.entries({ matchLabelKeys, mismatchLabelKeys })) {
    const here = at[field as 'matchLabelKeys'];
    if (keys.length > 0 && !selector)
      errors.push(forbiddenField(here, 'must not be specified when labelSelector is not set'));
    else errors.push(...keys.flatMap((key, i) => follows(here[i]!, key, qualifiedName)));
  }
  const selected = new Set(Object.keys(selector?.matchLabels ?? {}));
  const lastAt = new Map(matchLabelKeys.map((key, i) => [key, i]));
  for (const { key } of selector?.matchExpressions ?? []) {
    const index = lastAt.get(key);
    const here = index === undefined ? undefined : (at as unknown as At<unknown[]>)[index];
    if (index !== undefined && selected.has(key))
      errors.push(invalidValue(here!, key, 'exists in both matchLabelKeys and labelSelector'));
    selected.add(key);
  }
  const mismatched = new Set(mismatchLabelKeys);
  for (const [i, key] of matchLabelKeys.entries())
    if (mismatched.has(key))
      errors.push(invalidValue(at.matchLabelKeys[i]!, key, 'exists in both matchLabelKeys and mismatchLabelKeys'));
  return errors;
}

const WHEN = ['DoNotSchedule', 'ScheduleAnyway'];
const HONOR = ['Honor', 'Ignore'];

export const validateSpread = (
  constraints: readonly TopologySpreadConstraint[],
  at: At<TopologySpreadConstraint[]>,
): FieldError[] => {
  const pairOf = ({ topologyKey, whenUnsatisfiable }: TopologySpreadConstraint) =>
    JSON.stringify([topologyKey, whenUnsatisfiable]);
  const lastOf = new Map(constraints.map((one, index) => [pairOf(one), index]));
  return constraints.flatMap((constraint, index) => {
    const { maxSkew, topologyKey, whenUnsatisfiable, minDomains } = constraint;
    const here = at[index]!;
    const isRepeated = lastOf.get(pairOf(constraint))! > index;
    return [
      ...(maxSkew > 0 ? [] : [invalidValue(here.maxSkew, maxSkew ?? 0, 'must be greater than zero')]),
      ...(topologyKey ? [] : [requiredValue(here.topologyKey, 'can not be empty')]),
      ...(WHEN.includes(whenUnsatisfiable)
        ? []
        : [notSupportedValue(here.whenUnsatisfiable, whenUnsatisfiable ?? '', WHEN)]),
      ...(isRepeated
        ? [duplicateValue(`${String(here)}.{topologyKey, whenUnsatisfiable}`, `{${topologyKey}, ${whenUnsatisfiable}}`)]
        : []),
      ...(minDomains !== undefined && minDomains <= 0
        ? [invalidValue(here.minDomains, minDomains, 'must be greater than zero')]
        : []),
      ...(minDomains !== undefined && whenUnsatisfiable !== 'DoNotSchedule'
        ? [
            invalidValue(
              here.minDomains,
              minDomains,
              `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${whenUnsatisfiable}`,
            ),
          ]
        : []),
      ...isOneOf(here.nodeAffinityPolicy, constraint.nodeAffinityPolicy, HONOR),
      ...isOneOf(here.nodeTaintsPolicy, constraint.nodeTaintsPolicy, HONOR),
      ...validateLabelKeys(constraint, here as unknown as At<WithLabelKeys>),
      ...validateLabelSelector(constraint.labelSelector, here.labelSelector),
    ];
  });
};
