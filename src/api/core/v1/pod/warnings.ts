/** What is allowed in a pod and yet seldom meant: told to the client in Warning headers. */
import type { Container, PodSpec } from '#api/generated/schema.ts';
import { type At, keyed, type Path } from '#api/machinery/field-path.ts';

/** Labels of nodes that have another name now, and since when. */
const OLD_LABELS: Readonly<Record<string, { since: string; use: string }>> = {
  'beta.kubernetes.io/arch': { since: 'v1.14', use: 'kubernetes.io/arch' },
  'beta.kubernetes.io/os': { since: 'v1.14', use: 'kubernetes.io/os' },
  'failure-domain.beta.kubernetes.io/region': { since: 'v1.17', use: 'topology.kubernetes.io/region' },
  'failure-domain.beta.kubernetes.io/zone': { since: 'v1.17', use: 'topology.kubernetes.io/zone' },
  'beta.kubernetes.io/instance-type': { since: 'v1.17', use: 'node.kubernetes.io/instance-type' },
};

export function warningsOfPodSpec(spec: PodSpec, at: At<PodSpec>): string[] {
  return [
    ...Object.keys(spec.nodeSelector ?? {}).flatMap((label) => oldLabel(keyed(at.nodeSelector, label), label)),
    ...(spec.topologySpreadConstraints ?? []).flatMap(({ topologyKey }, i) =>
      oldLabel(at.topologySpreadConstraints[i]!.topologyKey, topologyKey),
    ),
    ...(spec.initContainers ?? []).flatMap((container, i) => ofContainer(container, at.initContainers[i]!)),
    ...spec.containers.flatMap((container, i) => ofContainer(container, at.containers[i]!)),
    ...(spec.terminationGracePeriodSeconds < 0
      ? [
          `${String(at.terminationGracePeriodSeconds)}: must be >= 0; negative values are invalid and will be treated as 1`,
        ]
      : []),
  ];
}

function oldLabel(at: Path, label: string): string[] {
  const old = Object.hasOwn(OLD_LABELS, label) ? OLD_LABELS[label] : undefined;
  return old ? [`${String(at)}: deprecated since ${old.since}; use "${old.use}" instead`] : [];
}

function ofContainer({ env = [], ports = [] }: Container, at: At<Container>): string[] {
  const hidden = env.flatMap(({ name, value }, index) => {
    const before = env.findIndex((other) => other.name === name);
    if (before === index || value?.includes(`$(${name})`)) return [];
    return [`${String(at.env[index]!)}: hides previous definition of "${name}", which may be dropped when using apply`];
  });
  const twice = ports.flatMap(({ containerPort, protocol }, index) => {
    const before = ports.findIndex((other) => other.containerPort === containerPort && other.protocol === protocol);
    return before === index
      ? []
      : [`${String(at.ports[index]!)}: duplicate port definition with ${String(at.ports[before]!)}`];
  });
  return [...hidden, ...twice];
}
