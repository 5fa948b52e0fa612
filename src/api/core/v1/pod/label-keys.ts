/**
 * Selectors of a pod that follow its own labels: the values that a new pod has become part of them, so that everybody sees what
 * it is about, and labels that change later change nothing. Source: KEP-3243, KEP-3633.
 */
import type {
  Affinity,
  LabelSelector,
  PodAffinityTerm,
  PodSpec,
  TopologySpreadConstraint,
  WeightedPodAffinityTerm,
} from '#api/generated/schema.ts';

type Labels = Readonly<Record<string, string>>;
type Keyed = Pick<PodAffinityTerm, 'labelSelector' | 'matchLabelKeys' | 'mismatchLabelKeys'>;

/** The same one for a pod that names no keys. */
export function withLabelKeys(spec: PodSpec, labels: Labels = {}): PodSpec {
  const { affinity, topologySpreadConstraints } = spec;
  if (!affinity?.podAffinity && !affinity?.podAntiAffinity && !topologySpreadConstraints) return spec;
  if (!keyedIn(spec).some(({ matchLabelKeys, mismatchLabelKeys }) => matchLabelKeys || mismatchLabelKeys)) return spec;
  return {
    ...spec,
    ...(affinity && { affinity: affinityWith(affinity, labels) }),
    ...(topologySpreadConstraints && {
      topologySpreadConstraints: topologySpreadConstraints.map((each) => following(each, labels)),
    }),
  };
}

const keyedIn = ({ affinity = {}, topologySpreadConstraints = [] }: PodSpec): Keyed[] => [
  ...[affinity.podAffinity, affinity.podAntiAffinity].flatMap((of) => [
    ...(of?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
    ...(of?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(({ podAffinityTerm }) => podAffinityTerm),
  ]),
  ...topologySpreadConstraints,
];

const affinityWith = (affinity: Affinity, labels: Labels): Affinity => ({
  ...affinity,
  ...(affinity.podAffinity && { podAffinity: termsWith(affinity.podAffinity, labels) }),
  ...(affinity.podAntiAffinity && { podAntiAffinity: termsWith(affinity.podAntiAffinity, labels) }),
});

interface Terms {
  requiredDuringSchedulingIgnoredDuringExecution?: PodAffinityTerm[];
  preferredDuringSchedulingIgnoredDuringExecution?: WeightedPodAffinityTerm[];
}

function termsWith(terms: Terms, labels: Labels): Terms {
  const {
    requiredDuringSchedulingIgnoredDuringExecution: required,
    preferredDuringSchedulingIgnoredDuringExecution: preferred,
  } = terms;
  const weighted = (each: WeightedPodAffinityTerm) => ({
    ...each,
    podAffinityTerm: following(each.podAffinityTerm, labels),
  });
  return {
    ...terms,
    ...(required && {
      requiredDuringSchedulingIgnoredDuringExecution: required.map((each) => following(each, labels)),
    }),
    ...(preferred && { preferredDuringSchedulingIgnoredDuringExecution: preferred.map(weighted) }),
  };
}

/** Without a selector nothing is matched, whatever the keys. */
function following<T extends PodAffinityTerm | TopologySpreadConstraint>(keyed: T, labels: Labels): T {
  const { labelSelector: selector, matchLabelKeys = [], mismatchLabelKeys = [] } = keyed as Keyed;
  const own = [...requirements(matchLabelKeys, 'In', labels), ...requirements(mismatchLabelKeys, 'NotIn', labels)];
  if (!selector || own.length === 0) return keyed;
  const labelSelector: LabelSelector = {
    ...selector,
    matchExpressions: [...(selector.matchExpressions ?? []), ...own],
  };
  return { ...keyed, labelSelector };
}

const requirements = (keys: readonly string[], operator: 'In' | 'NotIn', labels: Labels) =>
  keys.flatMap((key) => {
    const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
    return value === undefined ? [] : [{ key, operator, values: [value] }];
  });
