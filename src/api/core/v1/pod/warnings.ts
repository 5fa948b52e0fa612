/** What is allowed in a pod and yet seldom meant: told to the client in Warning headers. */
import type { Container, ContainerPort, NodeSelectorTerm, PodSpec, Volume } from '#api/generated/schema.ts';
import { type At, keyed, type Path, root } from '#api/machinery/field-path.ts';
import { warningsOfIp } from '#api/machinery/ip-rules.ts';
import { canonicalQuantity, quantityMilliValue } from '#api/machinery/quantity.ts';
import { repeatedIn } from '#api/machinery/repeated.ts';
import { warningsOfClaimSpec } from '../persistent-volume-claim.ts';

/** Labels of nodes that have another name now, and since when. */
const OLD_LABELS: Readonly<Record<string, { since: string; use: string }>> = {
  'beta.kubernetes.io/arch': { since: 'v1.14', use: 'kubernetes.io/arch' },
  'beta.kubernetes.io/os': { since: 'v1.14', use: 'kubernetes.io/os' },
  'failure-domain.beta.kubernetes.io/region': { since: 'v1.17', use: 'topology.kubernetes.io/region' },
  'failure-domain.beta.kubernetes.io/zone': { since: 'v1.17', use: 'topology.kubernetes.io/zone' },
  'beta.kubernetes.io/instance-type': { since: 'v1.17', use: 'node.kubernetes.io/instance-type' },
};

const OLD_VOLUMES: readonly [name: keyof Volume, shown: string, text: string][] = [
  ['photonPersistentDisk', 'photonPersistentDisk', 'deprecated in v1.11, non-functional in v1.16+'],
  ['gitRepo', 'gitRepo', 'deprecated in v1.11, and disabled by default in v1.33+'],
  ['scaleIO', 'scaleIO', 'deprecated in v1.16, non-functional in v1.22+'],
  ['flocker', 'flocker', 'deprecated in v1.22, non-functional in v1.25+'],
  ['storageos', 'storageOS', 'deprecated in v1.22, non-functional in v1.25+'],
  ['quobyte', 'quobyte', 'deprecated in v1.22, non-functional in v1.25+'],
  ['glusterfs', 'glusterfs', 'deprecated in v1.25, non-functional in v1.26+'],
  ['cephfs', 'cephfs', 'deprecated in v1.28, non-functional in v1.31+'],
  ['rbd', 'rbd', 'deprecated in v1.28, non-functional in v1.31+'],
];

const CRITICAL_POD = 'scheduler.alpha.kubernetes.io/critical-pod';
const OLD_ANNOTATIONS: Readonly<Record<string, string>> = {
  [CRITICAL_POD]: 'non-functional in v1.16+; use the "priorityClassName" field instead',
  'security.alpha.kubernetes.io/sysctls': 'non-functional in v1.11+; use the "sysctls" field instead',
  'security.alpha.kubernetes.io/unsafe-sysctls': 'non-functional in v1.11+; use the "sysctls" field instead',
};
const SECCOMP = 'seccomp.security.alpha.kubernetes.io/pod';
const SECCOMP_OF_CONTAINER = 'container.seccomp.security.alpha.kubernetes.io/';
const SECCOMP_TEXT = 'non-functional in v1.27+; use the "seccompProfile" field instead';
const APPARMOR_OF_CONTAINER = 'container.apparmor.security.beta.kubernetes.io/';

export interface WarnedPod {
  spec: PodSpec;
  metadata?: { annotations?: Readonly<Record<string, string>> | undefined } | undefined;
}

interface Place {
  container: Container;
  at: At<Container>;
}

type Warned = { spec: PodSpec; metadata: { annotations: Record<string, string> } };

/** Made once for each place where a template can be. */
const ROOTS = new Map<string, At<Warned>>();

function rootAt(path: string): At<Warned> {
  const known = ROOTS.get(path) ?? root<Warned>(path);
  ROOTS.set(path, known);
  return known;
}

/** `path`: of the template; none: a pod. */
export function warningsOfPod({ spec, metadata }: WarnedPod, path = ''): string[] {
  const { spec: at, metadata: meta } = rootAt(path);
  const places = (['initContainers', 'containers', 'ephemeralContainers'] as const).flatMap((list) =>
    ((spec[list] ?? []) as readonly Container[]).map(
      (container, i): Place => ({ container, at: at[list][i] as At<Container> }),
    ),
  );
  const annotations = metadata?.annotations ?? {};
  const ofAnnotation = (key: string, text: string) =>
    Object.hasOwn(annotations, key) ? [`${String(keyed(meta.annotations, key))}: ${text}`] : [];
  return [
    ...ofOldLabels(spec, at),
    ...Object.entries(OLD_ANNOTATIONS).flatMap(([key, text]) => ofAnnotation(key, text)),
    ...(spec.volumes ?? []).flatMap((volume, i) => ofVolume(volume, at.volumes[i]!)),
    ...ofRepeated(spec.hostAliases ?? [], 'ip', at.hostAliases),
    ...ofRepeated(spec.imagePullSecrets ?? [], 'name', at.imagePullSecrets),
    ...(spec.imagePullSecrets ?? []).flatMap(({ name }, i) =>
      name ? [] : [`${String(at.imagePullSecrets[i]!.name)}: invalid empty name ""`],
    ),
    ...ofFractions(spec.overhead, at.overhead),
    ...(spec.securityContext?.seccompProfile ? [] : ofAnnotation(SECCOMP, SECCOMP_TEXT)),
    ...places.flatMap(({ container, at: here }) => [
      ...(container.securityContext?.seccompProfile
        ? []
        : ofAnnotation(`${SECCOMP_OF_CONTAINER}${container.name}`, SECCOMP_TEXT)),
      ...(path && !container.securityContext?.appArmorProfile && !spec.securityContext?.appArmorProfile
        ? ofAnnotation(
            `${APPARMOR_OF_CONTAINER}${container.name}`,
            'deprecated since v1.30; use the "appArmorProfile" field instead',
          )
        : []),
      ...ofFractions(container.resources?.limits, here.resources.limits),
      ...ofFractions(container.resources?.requests, here.resources.requests),
      ...ofHiddenVariables(container, here),
    ]),
    ...ofPorts(places),
    ...ofPortNames(places),
    ...(spec.terminationGracePeriodSeconds < 0
      ? [
          `${String(at.terminationGracePeriodSeconds)}: must be >= 0; negative values are invalid and will be treated as 1`,
        ]
      : []),
    ...ofAffinity(spec, at),
    ...(spec.dnsConfig?.nameservers ?? []).flatMap((ip, i) => warningsOfIp(at.dnsConfig.nameservers[i]!, ip)),
    ...(spec.hostAliases ?? []).flatMap(({ ip }, i) => warningsOfIp(at.hostAliases[i]!.ip, ip)),
  ];
}

function oldLabel(label: string): string | undefined {
  const old = Object.hasOwn(OLD_LABELS, label) ? OLD_LABELS[label] : undefined;
  return old && `deprecated since ${old.since}; use "${old.use}" instead`;
}

function ofOldLabels(spec: PodSpec, at: At<PodSpec>): string[] {
  const { requiredDuringSchedulingIgnoredDuringExecution: required, preferredDuringSchedulingIgnoredDuringExecution } =
    spec.affinity?.nodeAffinity ?? {};
  const node = at.affinity.nodeAffinity;
  const ofTerm = (term: NodeSelectorTerm, here: At<NodeSelectorTerm>) =>
    (term?.matchExpressions ?? []).flatMap(({ key }, i) => {
      const text = oldLabel(key);
      return text ? [`${String(here.matchExpressions[i]!.key)}: ${key} is ${text}`] : [];
    });
  return [
    ...Object.keys(spec.nodeSelector ?? {}).flatMap((label) => {
      const text = oldLabel(label);
      return text ? [`${String(keyed(at.nodeSelector, label))}: ${text}`] : [];
    }),
    ...(required?.nodeSelectorTerms ?? []).flatMap((term, i) =>
      ofTerm(term, node.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[i]!),
    ),
    ...(preferredDuringSchedulingIgnoredDuringExecution ?? []).flatMap(({ preference }, i) =>
      ofTerm(preference, node.preferredDuringSchedulingIgnoredDuringExecution[i]!.preference),
    ),
    ...(spec.topologySpreadConstraints ?? []).flatMap(({ topologyKey, labelSelector }, i) => {
      const here = at.topologySpreadConstraints[i]!;
      const text = oldLabel(topologyKey);
      return [
        ...(text ? [`${String(here.topologyKey)}: ${topologyKey} is ${text}`] : []),
        ...(labelSelector ? [] : [matchesNothing(here.labelSelector)]),
      ];
    }),
  ];
}

const matchesNothing = (at: Path): string => `${String(at)}: a null labelSelector results in matching no pod`;

function ofAffinity({ affinity }: PodSpec, at: At<PodSpec>): string[] {
  return (['podAffinity', 'podAntiAffinity'] as const).flatMap((name) => {
    const here = at.affinity[name];
    const {
      requiredDuringSchedulingIgnoredDuringExecution: required = [],
      preferredDuringSchedulingIgnoredDuringExecution: preferred = [],
    } = affinity?.[name] ?? {};
    return [
      ...required.flatMap(({ labelSelector }, i) =>
        labelSelector ? [] : [matchesNothing(here.requiredDuringSchedulingIgnoredDuringExecution[i]!.labelSelector)],
      ),
      ...preferred.flatMap(({ podAffinityTerm }, i) =>
        podAffinityTerm?.labelSelector
          ? []
          : [matchesNothing(here.preferredDuringSchedulingIgnoredDuringExecution[i]!.podAffinityTerm.labelSelector)],
      ),
    ];
  });
}

function ofVolume(volume: Volume, at: At<Volume>): string[] {
  const claim = volume.ephemeral?.volumeClaimTemplate;
  return [
    ...OLD_VOLUMES.filter(([name]) => volume[name] !== undefined).map(
      ([, shown, text]) => `${String(at)}.${shown}: ${text}`,
    ),
    ...(claim ? warningsOfClaimSpec(claim.spec, String(at.ephemeral.volumeClaimTemplate.spec)) : []),
  ];
}

function ofRepeated<T extends object>(items: readonly T[], field: keyof T & string, at: At<T[]>): string[] {
  const repeated = repeatedIn(items.map((item) => item[field]));
  return items.flatMap((item, i) =>
    repeated.has(i) ? [`${String(at)}[${i}].${field}: duplicate ${field} ${JSON.stringify(item[field] ?? '')}`] : [],
  );
}

const BYTES = ['memory', 'ephemeral-storage'];

const ofFractions = (amounts: Readonly<Record<string, string>> = {}, at: At<Record<string, string>>): string[] =>
  BYTES.flatMap((name) => {
    const amount = amounts[name];
    if (amount === undefined || quantityMilliValue(amount) % 1000 === 0) return [];
    const shown = JSON.stringify(canonicalQuantity(amount) ?? amount);
    return [`${String(keyed(at, name))}: fractional byte value ${shown} is invalid, must be an integer`];
  });

function ofHiddenVariables({ env = [] }: Container, at: At<Container>): string[] {
  const repeated = repeatedIn(env.map(({ name }) => name));
  return env.flatMap(({ name, value, valueFrom }, index) => {
    if (!repeated.has(index)) return [];
    const reference = `$(${name})`;
    if (!valueFrom && value !== reference && value?.includes(reference)) return [];
    return [`${String(at.env[index]!)}: hides previous definition of "${name}", which may be dropped when using apply`];
  });
}

function ofPorts(places: readonly Place[]): string[] {
  const known: { port: ContainerPort; at: Path }[] = [];
  return places.flatMap(({ container, at }) =>
    (container.ports ?? []).flatMap((port, i) => {
      const here = at.ports[i]!;
      const same = known.filter(
        (other) => other.port.containerPort === port.containerPort && other.port.protocol === port.protocol,
      );
      known.push({ port, at: here });
      return [
        ...(port.hostIP && !port.hostPort ? [`${String(here)}: hostIP set without hostPort: ${goText(port)}`] : []),
        ...same.flatMap((other) => {
          const kind = conflictOf(port, other.port);
          return kind ? [`${String(here)}: ${kind} port definition with ${String(other.at)}`] : [];
        }),
      ];
    }),
  );
}

function conflictOf(
  { hostIP = '', hostPort = 0 }: ContainerPort,
  { hostIP: otherIp = '', hostPort: otherPort = 0 }: ContainerPort,
): string | undefined {
  if (hostIP === otherIp && hostPort === otherPort) return 'duplicate';
  if (hostPort === 0 || otherPort === 0) return 'overlapping';
  return hostPort === otherPort && (hostIP === '') !== (otherIp === '') ? 'dangerously ambiguous' : undefined;
}

/** As Go prints a struct. */
const goText = ({ name = '', hostPort = 0, containerPort, protocol, hostIP = '' }: ContainerPort): string =>
  `{Name:${name} HostPort:${hostPort} ContainerPort:${containerPort} Protocol:${protocol} HostIP:${hostIP}}`;

function ofPortNames(places: readonly Place[]): string[] {
  const known = new Map<string, string>();
  return places.flatMap(({ container, at }) =>
    (container.ports ?? []).flatMap(({ name }, i) => {
      if (!name) return [];
      const here = String(at.ports[i]!);
      const other = known.get(name);
      if (!other) known.set(name, here);
      const text = `duplicate port name ${JSON.stringify(name)} with ${other}`;
      return other ? [`${here}: ${text}, services and probes that select ports by name will use ${other}`] : [];
    }),
  );
}
