/** What a pod's containers may say: each of them, the three sorts of them, and all of them together. */
import type { Container, ContainerPort, EphemeralContainer, PodSpec, Volume } from '#api/generated/schema.ts';
import {
  duplicateValue,
  type FieldError,
  forbiddenField,
  invalidValue,
  notFoundValue,
  notSupportedValue,
  requiredValue,
} from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { follows, isRequired, mustBeOneOf } from '#api/machinery/field-rules.ts';
import { dns1123Label, portName, portNumber } from '#api/machinery/names.ts';
import { repeatedIn } from '#api/machinery/repeated.ts';
import { isRestartableInit } from '../pod-conditions.ts';
import { validateEnv, validateEnvFrom } from './environment.ts';
import { validateDevices, validateMounts } from './mounts.ts';
import { type ProbeName, validateLifecycle, validateProbe } from './probes.ts';
import { validateResources } from './resources.ts';
import { validateResize, validateResizeOfInit, validateRestart, validateRestartOfInit } from './restart-rules.ts';
import { validateSecurityContext } from './security-context.ts';

const PROTOCOLS = ['SCTP', 'TCP', 'UDP'];
const PROBES: readonly ProbeName[] = ['livenessProbe', 'readinessProbe', 'startupProbe'];

/** What a container needs to know of its pod. */
interface Surroundings {
  spec: PodSpec;
  at: At<PodSpec>;
  volumes: ReadonlyMap<string, Volume>;
  claims: readonly string[];
}

/** `volumes`: those that can be mounted, by name. */
export function validateContainers(spec: PodSpec, at: At<PodSpec>, volumes: ReadonlyMap<string, Volume>): FieldError[] {
  const around = { spec, at, volumes, claims: (spec.resourceClaims ?? []).map(({ name }) => name) };
  const { containers = [], initContainers = [], ephemeralContainers = [] } = spec;
  const errors: FieldError[] = containers.length === 0 ? [requiredValue(at.containers)] : [];
  const names = new Set<string>();
  const check = (list: readonly (Container | EphemeralContainer)[], path: At<Container[]>, rules: ContainerSort) => {
    for (const [index, one] of list.entries()) {
      const container = one as Container;
      const here = path[index]!;
      errors.push(...validateContainer(container, here, around));
      if (rules.first) errors.push(...rules.first(container, here, around));
      if (names.has(container.name)) errors.push(duplicateValue(here.name, container.name));
      names.add(container.name);
      errors.push(...rules.then(container, here, around));
    }
  };
  check(containers, at.containers, APP);
  errors.push(...hostPortConflicts(containers, at.containers));
  names.delete('');
  check(initContainers, at.initContainers, INIT);
  check(ephemeralContainers, at.ephemeralContainers as At<Container[]>, EPHEMERAL);
  return errors;
}

type Rule = (container: Container, at: At<Container>, around: Surroundings) => FieldError[];
interface ContainerSort {
  /** Before names are compared. */
  first?: Rule;
  then: Rule;
}

const validateRunning: Rule = (container, at, { spec }) => [
  ...(container.lifecycle ? validateLifecycle(container.lifecycle, at.lifecycle, spec) : []),
  ...PROBES.flatMap((name) => {
    const probe = container[name];
    return probe ? validateProbe(probe, at[name], name) : [];
  }),
];

/** Runs until the pod ends. */
const APP: ContainerSort = {
  then: (container, at, around) => [...validateRunning(container, at, around), ...validateRestart(container, at)],
};

/** Runs to its end before the others, unless it is a sidecar, which is like any other. */
const INIT: ContainerSort = {
  first: validateRestartOfInit,
  then(container, at, around) {
    // Upstream names the first of the list, whichever it is.
    const conflicts = hostPortConflicts([container], around.at.initContainers);
    if (isRestartableInit(container)) return [...conflicts, ...validateRunning(container, at, around)];
    const text = 'may not be set for init containers without restartPolicy=Always';
    return [
      ...conflicts,
      ...(['lifecycle', ...PROBES] as const).flatMap((field) =>
        container[field] ? [forbiddenField(at[field], text)] : [],
      ),
      ...validateResizeOfInit(container, at),
    ];
  },
};

const FORBIDDEN_IN_EPHEMERAL = [
  'ports',
  'resources',
  'resizePolicy',
  'restartPolicy',
  'restartPolicyRules',
  'livenessProbe',
  'readinessProbe',
  'startupProbe',
  'lifecycle',
] as const;

/** Put into a running pod to look at it. */
const EPHEMERAL: ContainerSort = {
  first: ({ image = '' }, at) =>
    image.trim() === image ? [] : [invalidValue(at.image, image, 'must not have leading or trailing whitespace')],
  then(container, at, { spec }) {
    const text = 'cannot be set for an Ephemeral Container';
    const target = (container as EphemeralContainer).targetContainerName;
    const others = [...(spec.containers ?? []), ...(spec.initContainers ?? [])];
    return [
      ...(target && !others.some(({ name }) => name === target)
        ? [notFoundValue((at as unknown as At<EphemeralContainer>).targetContainerName, target)]
        : []),
      ...FORBIDDEN_IN_EPHEMERAL.filter((field) => isSet(container[field])).map((field) =>
        forbiddenField(at[field], text),
      ),
      ...(container.volumeMounts ?? []).flatMap(({ subPath, subPathExpr }, i) => [
        ...(subPath ? [forbiddenField(at.volumeMounts[i]!.subPath, text)] : []),
        ...(subPathExpr ? [forbiddenField(at.volumeMounts[i]!.subPathExpr, text)] : []),
      ]),
    ];
  },
};

function isSet(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  const isResources = typeof value === 'object' && value !== null && Object.keys(value).length === 0;
  return value !== undefined && !isResources;
}

function validateContainer(container: Container, at: At<Container>, { spec, volumes, claims }: Surroundings) {
  const { name, image = '', terminationMessagePolicy: policy, securityContext } = container;
  return [
    ...(name ? follows(at.name, name, dns1123Label) : [requiredValue(at.name)]),
    ...isRequired(at.image, image),
    ...mustBeOneOf(at.terminationMessagePolicy, policy, ['File', 'FallbackToLogsOnError']),
    ...validatePorts(container.ports ?? [], at.ports),
    ...validateEnv(container.env ?? [], at.env),
    ...validateEnvFrom(container.envFrom ?? [], at.envFrom),
    ...validateMounts(container, at, volumes),
    ...validateDevices(container, at, volumes),
    ...mustBeOneOf(at.imagePullPolicy, container.imagePullPolicy, ['Always', 'IfNotPresent', 'Never']),
    ...validateResources(container.resources ?? {}, at.resources, { podClaims: claims }),
    ...validateResize(container.resizePolicy ?? [], at.resizePolicy, spec.restartPolicy),
    ...(securityContext ? validateSecurityContext(securityContext, at.securityContext, spec.hostUsers === false) : []),
  ];
}

/** Looked at in a Pod, not in a template. */
export const validateImages = (spec: PodSpec, at: At<PodSpec>): FieldError[] =>
  (['containers', 'initContainers'] as const).flatMap((list) =>
    (spec[list] ?? []).flatMap(({ image = '' }, i) =>
      image.trim() === image
        ? []
        : [invalidValue(at[list][i]!.image, image, 'must not have leading or trailing whitespace')],
    ),
  );

/** On the host's network a port is the host's. */
export function validateHostNetwork({ hostNetwork, containers = [] }: PodSpec, at: At<PodSpec>): FieldError[] {
  if (!hostNetwork) return [];
  return containers.flatMap(({ ports = [] }, i) =>
    ports.flatMap(({ hostPort = 0, containerPort }, j) =>
      hostPort !== 0 && hostPort !== containerPort
        ? [
            invalidValue(
              at.containers[i]!.ports[j]!.hostPort,
              hostPort,
              'must match `containerPort` when `hostNetwork` is true',
            ),
          ]
        : [],
    ),
  );
}

/** Of the files that variables are read from. */
export const validateFileVolumes = (spec: PodSpec, at: At<PodSpec>): FieldError[] =>
  (['initContainers', 'containers', 'ephemeralContainers'] as const).flatMap((list) =>
    (spec[list] ?? []).flatMap(({ env = [] }, i) =>
      env.flatMap(({ valueFrom }, j) => {
        const ref = valueFrom?.fileKeyRef;
        if (!ref) return [];
        const here = at[list][i]!.env[j]!.valueFrom.fileKeyRef.volumeName;
        const volume = spec.volumes?.find(({ name }) => name === ref.volumeName);
        if (!volume) return [notFoundValue(here, ref.volumeName ?? '')];
        return volume.emptyDir
          ? []
          : [invalidValue(here, ref.volumeName, 'referenced volume must be of type emptyDir')];
      }),
    ),
  );

function validatePorts(ports: readonly ContainerPort[], at: At<ContainerPort[]>): FieldError[] {
  const repeated = repeatedIn(ports.map(({ name }) => name));
  return ports.flatMap((port, index) => {
    const here = at[index]!;
    const errors: FieldError[] = [];
    if (port.name) {
      const complaints = follows(here.name, port.name, portName);
      errors.push(
        ...(complaints.length === 0 && repeated.has(index) ? [duplicateValue(here.name, port.name)] : complaints),
      );
    }
    if (!port.containerPort) errors.push(requiredValue(here.containerPort));
    else
      errors.push(
        ...portNumber(port.containerPort).map((text) => invalidValue(here.containerPort, port.containerPort, text)),
      );
    if (port.hostPort)
      errors.push(...portNumber(port.hostPort).map((text) => invalidValue(here.hostPort, port.hostPort, text)));
    if (!port.protocol) errors.push(requiredValue(here.protocol));
    else if (!PROTOCOLS.includes(port.protocol))
      errors.push(notSupportedValue(here.protocol, port.protocol, PROTOCOLS));
    return errors;
  });
}

function hostPortConflicts(containers: readonly Container[], at: At<Container[]>): FieldError[] {
  const taken = new Set<string>();
  return containers.flatMap(({ ports = [] }, i) =>
    ports.flatMap(({ protocol, hostIP = '', hostPort }, j) => {
      if (!hostPort) return [];
      const key = `${protocol}/${hostIP}/${hostPort}`;
      const isTwice = taken.has(key);
      taken.add(key);
      return isTwice ? [duplicateValue(at[i]!.ports[j]!.hostPort, key)] : [];
    }),
  );
}
