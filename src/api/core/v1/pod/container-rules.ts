/** What a pod's containers may say: each of them, the three sorts of them, and all of them together. */
import type {
  Container,
  ContainerPort,
  EphemeralContainer,
  PodSpec,
  Volume,
  VolumeDevice,
  VolumeMount,
} from '#api/generated/schema.ts';
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
import { follows, isOneOf, mustBeOneOf } from '#api/machinery/field-rules.ts';
import { dns1123Label, portName, portNumber } from '#api/machinery/names.ts';
import { isRestartableInit } from '../pod-conditions.ts';
import { validateEnv, validateEnvFrom } from './environment.ts';
import { type ProbeName, validateLifecycle, validateProbe } from './probes.ts';
import { validateResources } from './resources.ts';
import { validateDescending, validateSecurityContext } from './security-context.ts';

const PROTOCOLS = ['SCTP', 'TCP', 'UDP'];
const PROBES: readonly ProbeName[] = ['livenessProbe', 'readinessProbe', 'startupProbe'];

/** What a container needs to know of its pod. */
interface Surroundings {
  volumes: ReadonlyMap<string, Volume>;
  claims: readonly string[];
  hostNetwork: boolean;
  graceSeconds: number | undefined;
}

export function validateContainers(spec: PodSpec, at: At<PodSpec>): FieldError[] {
  const around: Surroundings = {
    volumes: new Map((spec.volumes ?? []).map((volume) => [volume.name, volume])),
    claims: (spec.resourceClaims ?? []).map(({ name }) => name),
    hostNetwork: spec.hostNetwork ?? false,
    graceSeconds: spec.terminationGracePeriodSeconds,
  };
  const containers = spec.containers ?? [];
  const errors: FieldError[] = containers.length === 0 ? [requiredValue(at.containers)] : [];
  const names = new Set<string>();
  const check = (list: readonly (Container | EphemeralContainer)[], path: At<Container[]>, of: ContainerSort) => {
    for (const [index, container] of list.entries()) {
      const here = path[index]!;
      errors.push(
        ...validateContainer(container as Container, here, around),
        ...of(container as Container, here, around),
      );
      if (container.name && names.has(container.name)) errors.push(duplicateValue(here.name, container.name));
      names.add(container.name);
    }
  };
  check(containers, at.containers, appRules);
  errors.push(...hostPortConflicts(containers, at.containers));
  check(spec.initContainers ?? [], at.initContainers, initRules);
  check(spec.ephemeralContainers ?? [], at.ephemeralContainers as At<Container[]>, ephemeralRules);
  return errors;
}

type ContainerSort = (container: Container, at: At<Container>, around: Surroundings) => FieldError[];

/** Runs until the pod ends. */
const appRules: ContainerSort = (container, at, { graceSeconds }) => [
  ...(container.lifecycle ? validateLifecycle(container.lifecycle, at.lifecycle, graceSeconds) : []),
  ...validateProbes(container, at),
];

/** Runs to its end before the others, unless it is a sidecar, which is like any other. */
const initRules: ContainerSort = (container, at, around) => {
  if (isRestartableInit(container)) return appRules(container, at, around);
  const text = 'may not be set for init containers without restartPolicy=Always';
  return [
    ...(container.lifecycle ? [forbiddenField(at.lifecycle, text)] : []),
    ...PROBES.flatMap((probe) => (container[probe] ? [forbiddenField(at[probe], text)] : [])),
  ];
};

/** Put into a running pod to look at it. */
const ephemeralRules: ContainerSort = (container, at) => {
  const forbidden = ['ports', 'livenessProbe', 'readinessProbe', 'startupProbe', 'lifecycle', 'resizePolicy'] as const;
  const errors = forbidden.flatMap((field) => {
    const value = container[field];
    const set = Array.isArray(value) ? value.length > 0 : value !== undefined;
    return set ? [forbiddenField(at[field], 'cannot be set for an Ephemeral Container')] : [];
  });
  const { limits = {}, requests = {} } = container.resources ?? {};
  if (Object.keys(limits).length + Object.keys(requests).length > 0)
    errors.push(forbiddenField(at.resources, 'cannot be set for an Ephemeral Container'));
  return errors;
};

const validateProbes = (container: Container, at: At<Container>): FieldError[] =>
  PROBES.flatMap((name) => {
    const probe = container[name];
    return probe ? validateProbe(probe, at[name], name) : [];
  });

function validateContainer(container: Container, at: At<Container>, around: Surroundings): FieldError[] {
  const { name, image = '' } = container;
  const errors = name ? follows(at.name, name, dns1123Label) : [requiredValue(at.name)];
  if (!image) errors.push(requiredValue(at.image));
  else if (image.trim() !== image)
    errors.push(invalidValue(at.image, image, 'must not have leading or trailing whitespace'));
  errors.push(
    ...mustBeOneOf(at.terminationMessagePolicy, container.terminationMessagePolicy, ['FallbackToLogsOnError', 'File']),
    ...validatePorts(container.ports ?? [], at.ports, around.hostNetwork),
    ...validateEnv(container.env ?? [], at.env),
    ...validateEnvFrom(container.envFrom ?? [], at.envFrom),
    ...validateMounts(container, at, around.volumes),
    ...validateDevices(container.volumeDevices ?? [], at.volumeDevices),
    ...mustBeOneOf(at.imagePullPolicy, container.imagePullPolicy, ['Always', 'IfNotPresent', 'Never']),
    ...isOneOf(at.restartPolicy, container.restartPolicy, ['Always', 'Never', 'OnFailure']),
    ...validateResources(container.resources ?? {}, at.resources, { podClaims: around.claims }),
  );
  if (container.securityContext) errors.push(...validateSecurityContext(container.securityContext, at.securityContext));
  return errors;
}

function validatePorts(ports: readonly ContainerPort[], at: At<ContainerPort[]>, hostNetwork: boolean): FieldError[] {
  return ports.flatMap((port, index) => {
    const here = at[index]!;
    const errors: FieldError[] = [];
    if (port.name) {
      const complaints = follows(here.name, port.name, portName);
      const twice = ports.findIndex(({ name }) => name === port.name) < index;
      errors.push(...(complaints.length === 0 && twice ? [duplicateValue(here.name, port.name)] : complaints));
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
    if (hostNetwork && port.hostPort && port.hostPort !== port.containerPort)
      errors.push(
        invalidValue(here.containerPort, port.containerPort, 'must match `hostPort` when `hostNetwork` is true'),
      );
    return errors;
  });
}

function hostPortConflicts(containers: readonly Container[], at: At<Container[]>): FieldError[] {
  const taken = new Set<string>();
  return containers.flatMap(({ ports = [] }, i) =>
    ports.flatMap(({ protocol, hostIP = '', hostPort }, j) => {
      if (!hostPort) return [];
      const key = `${protocol}/${hostIP}/${hostPort}`;
      const twice = taken.has(key);
      taken.add(key);
      return twice ? [duplicateValue(at[i]!.ports[j]!.hostPort, key)] : [];
    }),
  );
}

function validateMounts(
  container: Container,
  { volumeMounts: at }: At<Container>,
  volumes: ReadonlyMap<string, Volume>,
): FieldError[] {
  const mounts = container.volumeMounts ?? [];
  return mounts.flatMap((mount, index) => [
    ...validateMount(mount, at[index]!, volumes),
    ...(mount.mountPropagation === 'Bidirectional' && !container.securityContext?.privileged
      ? [
          forbiddenField(
            at[index]!.mountPropagation,
            'Bidirectional mount propagation is available only to privileged containers',
          ),
        ]
      : []),
    ...(mount.mountPath && mounts.findIndex(({ mountPath }) => mountPath === mount.mountPath) < index
      ? [invalidValue(at[index]!.mountPath, mount.mountPath, 'must be unique')]
      : []),
  ]);
}

function validateMount(mount: VolumeMount, at: At<VolumeMount>, volumes: ReadonlyMap<string, Volume>): FieldError[] {
  const { name, mountPath, subPath, subPathExpr, recursiveReadOnly } = mount;
  const errors: FieldError[] = [];
  if (!name) errors.push(requiredValue(at.name));
  if (!volumes.has(name)) errors.push(notFoundValue(at.name, name));
  if (!mountPath) errors.push(requiredValue(at.mountPath));
  if (subPath) errors.push(...validateDescending(subPath, at.subPath));
  if (subPathExpr) {
    if (subPath)
      errors.push(invalidValue(at.subPathExpr, subPathExpr, 'subPathExpr and subPath are mutually exclusive'));
    errors.push(...validateDescending(subPathExpr, at.subPathExpr));
  }
  errors.push(...isOneOf(at.mountPropagation, mount.mountPropagation, ['Bidirectional', 'HostToContainer', 'None']));
  errors.push(...isOneOf(at.recursiveReadOnly, recursiveReadOnly, ['Disabled', 'Enabled', 'IfPossible']));
  if (recursiveReadOnly && recursiveReadOnly !== 'Disabled' && !mount.readOnly)
    errors.push(forbiddenField(at.recursiveReadOnly, 'may only be specified when readOnly is true'));
  return errors;
}

const validateDevices = (devices: readonly VolumeDevice[], at: At<VolumeDevice[]>): FieldError[] =>
  devices.flatMap(({ name, devicePath }, index) => [
    ...(name ? [] : [requiredValue(at[index]!.name)]),
    ...(devicePath ? validateAbsolute(devicePath, at[index]!.devicePath) : [requiredValue(at[index]!.devicePath)]),
  ]);

const validateAbsolute = (path: string, at: At<string>): FieldError[] =>
  path.split('/').includes('..') ? [invalidValue(at, path, "must not contain '..'")] : [];
