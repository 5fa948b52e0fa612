/** A container, as the runtime is told of it. */
import { randomUUID } from 'node:crypto';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Container, Pod, VolumeMount } from '#api/generated/schema.ts';
import type { ContainerConfig, Mount, MountPropagation } from '#node/runtime/container.ts';
import type { DeviceGrant } from '#node/runtime/devices/device-plugin.ts';
import type { Image } from '#node/runtime/image.ts';
import type { UserNamespace } from '#node/runtime/security-context.ts';
import { type Environment, type EnvironmentSources, environmentOf } from './environment.ts';
import { etcHosts, hostnameOf } from './etc-hosts.ts';
import { expand } from './expansion.ts';
import { UnresolvedField } from './field-values.ts';
import { linuxResources } from './quality-of-service.ts';
import { containerAnnotations, containerLabels } from './runtime-labels.ts';
import { containerLogPath } from './sandbox-config.ts';
import { containerSecurity, type SecurityFacts } from './security-context.ts';
import { isReadOnlyVolume } from './volumes/lasting-volumes.ts';
import type { Mounter } from './volumes/mounter.ts';
import { mountSubPath, SubPathRefused, subPathTarget } from './volumes/sub-path.ts';

export interface ContainerFacts {
  nodeName: string;
  clusterDomain: string;
  /** The text of the node's own /etc/hosts. */
  nodeHosts: string;
  machine: { memoryBytes: number; mayLowerOomScore: boolean };
  security: SecurityFacts;
  sources: Omit<EnvironmentSources, 'podIPs'>;
  mounter: Mounter;
}

export interface ContainerInputs {
  pod: Pod;
  container: Container;
  image: Image;
  restartCount: number;
  podIPs: readonly string[];
  users: UserNamespace;
  /** By volume name. */
  volumes: ReadonlyMap<string, string>;
  /** The pod's own folder. */
  podFolder: string;
  /** For an ephemeral container: whose processes it sees. */
  targetId?: string | undefined;
  /** What its devices need. */
  grant?: DeviceGrant | undefined;
  /** CDI names of the devices that its ResourceClaims give it. */
  claimed?: readonly string[];
}

/** @throws UnresolvedField, RefusedSecurity: a CreateContainerConfigError */
export async function containerConfigOf(inputs: ContainerInputs, facts: ContainerFacts): Promise<ContainerConfig> {
  const { pod, container, image, restartCount, podIPs, users, targetId } = inputs;
  const environment = await environmentOf(pod, container, { ...facts.sources, podIPs });
  const values = new Map(environment.map(({ key, value }) => [key, value]));
  const expanded = (texts: string[] | undefined) =>
    (texts ?? []).map((text) => expand(text, (name) => values.get(name)));
  return {
    metadata: { name: container.name, attempt: restartCount },
    image: image.id,
    command: expanded(container.command),
    args: expanded(container.args),
    workingDir: container.workingDir ?? '',
    envs: [...withHostname(environment, pod, facts), ...pairsOf(inputs.grant?.envs)],
    mounts: withUsers([...(await mountsOf(inputs, facts, environment)), ...deviceMounts(inputs.grant)], inputs),
    ...withDevices([...(inputs.grant?.devices ?? []), ...volumeDevices(inputs)]),
    ...withCdiDevices([...(inputs.claimed ?? []), ...(inputs.grant?.cdiDevices ?? [])]),
    labels: containerLabels(pod, container),
    annotations: { ...inputs.grant?.annotations, ...containerAnnotations(pod, container, restartCount) },
    logPath: containerLogPath(container.name, restartCount),
    stdin: container.stdin ?? false,
    stdinOnce: container.stdinOnce ?? false,
    tty: container.tty ?? false,
    linux: {
      resources: linuxResources(pod, container, facts.machine),
      securityContext: containerSecurity(pod, container, { facts: facts.security, image, users, targetId }),
    },
  };
}

// The runtime only sets HOSTNAME from the sandbox; a host-network pod has none there.
function withHostname(environment: Environment, pod: Pod, facts: ContainerFacts): Environment {
  if (!pod.spec.hostNetwork || environment.some(({ key }) => key === 'HOSTNAME')) return environment;
  return [{ key: 'HOSTNAME', value: hostnameOf(pod, facts) }, ...environment];
}

const PROPAGATIONS: Record<string, MountPropagation> = {
  None: 'PROPAGATION_PRIVATE',
  HostToContainer: 'PROPAGATION_HOST_TO_CONTAINER',
  Bidirectional: 'PROPAGATION_BIDIRECTIONAL',
};

async function mountsOf(inputs: ContainerInputs, facts: ContainerFacts, environment: Environment): Promise<Mount[]> {
  const { container } = inputs;
  const mounts: Mount[] = [];
  const readOnly = new Set((inputs.pod.spec.volumes ?? []).filter(isReadOnlyVolume).map(({ name }) => name));
  for (const [index, mount] of (container.volumeMounts ?? []).entries())
    mounts.push({
      containerPath: absolute(mount.mountPath),
      hostPath: await sourceOf(mount, index, { inputs, facts, environment }),
      readonly: (mount.readOnly ?? false) || readOnly.has(mount.name),
      propagation: PROPAGATIONS[mount.mountPropagation ?? 'None'] ?? 'PROPAGATION_PRIVATE',
      ...(mount.recursiveReadOnly === 'Enabled' && { recursiveReadOnly: true }),
    });
  const has = (path: string) => mounts.some(({ containerPath }) => containerPath === path);
  const own = [...(has('/etc/hosts') ? [] : [hostsMount(inputs, facts)]), terminationLogMount(inputs)];
  return [...mounts, ...(await Promise.all(own))];
}

const absolute = (path: string): string => (path.startsWith('/') ? path : `/${path}`);

/**
 * What is the node's root's outside is the pod's root's in there. Files of images stay the node's: layers that the kernel
 * has put together it does not mount with other users.
 */
function withUsers(mounts: Mount[], { pod, container, users }: ContainerInputs): Mount[] {
  if (users.mode === 'NODE') return mounts;
  const images = new Set((pod.spec.volumes ?? []).filter(({ image }) => image).map(({ name }) => name));
  const ofImages = new Set(
    (container.volumeMounts ?? []).filter(({ name }) => images.has(name)).map(({ mountPath }) => absolute(mountPath)),
  );
  return mounts.map((mount) =>
    ofImages.has(mount.containerPath) ? mount : { ...mount, uidMappings: users.uids, gidMappings: users.gids },
  );
}

async function sourceOf(
  mount: VolumeMount,
  index: number,
  { inputs, facts, environment }: { inputs: ContainerInputs; facts: ContainerFacts; environment: Environment },
): Promise<string> {
  const volume = inputs.volumes.get(mount.name);
  if (volume === undefined)
    throw new UnresolvedField(`cannot find volume "${mount.name}" to mount into container "${inputs.container.name}"`);
  const values = new Map(environment.map(({ key, value }) => [key, value]));
  const subPath = mount.subPathExpr ? strictExpand(mount.subPathExpr, values) : (mount.subPath ?? '');
  if (!subPath) return volume;
  if (subPath.startsWith('/')) throw new UnresolvedField(`error SubPath \`${subPath}\` must not be an absolute path`);
  if (subPath.split('/').includes('..'))
    throw new UnresolvedField(`unable to provision SubPath \`${subPath}\`: must not contain '..'`);
  const target = subPathTarget(inputs.podFolder, `${inputs.container.name}.${inputs.restartCount}`, index);
  try {
    if (!(await facts.mounter.below(target)).includes(target))
      await mountSubPath({ volume, subPath, target }, facts.mounter);
    return target;
  } catch (error) {
    if (!(error instanceof SubPathRefused)) throw error;
    // No more than that: it would tell of what is on the node.
    const step = error.isThere ? 'prepare subPath' : 'create subPath directory';
    throw new UnresolvedField(
      `failed to ${step} for volumeMount "${mount.name}" of container "${inputs.container.name}"`,
    );
  }
}

function strictExpand(text: string, values: ReadonlyMap<string, string>): string {
  const missing: string[] = [];
  const expanded = expand(text, (name) => {
    const value = values.get(name);
    if (value === undefined) missing.push(name);
    return value;
  });
  if (missing.length > 0) throw new UnresolvedField(`missing value for ${JSON.stringify(missing[0])}`);
  return expanded;
}

async function hostsMount({ pod, podIPs, podFolder }: ContainerInputs, facts: ContainerFacts): Promise<Mount> {
  const hostPath = join(podFolder, 'etc-hosts');
  const { clusterDomain, nodeHosts } = facts;
  await mkdir(podFolder, { recursive: true, mode: 0o750 });
  await writeFile(hostPath, etcHosts(pod, { podIPs, hostname: hostnameOf(pod, facts), clusterDomain, nodeHosts }));
  await chmod(hostPath, 0o644);
  return { containerPath: '/etc/hosts', hostPath, readonly: false, propagation: 'PROPAGATION_PRIVATE' };
}

/** A file of its own for each run of the container; world-writable, because any user may run in it. */
async function terminationLogMount({ container, podFolder }: ContainerInputs): Promise<Mount> {
  const folder = join(podFolder, 'containers', container.name);
  const hostPath = join(folder, randomUUID().slice(0, 8));
  await mkdir(folder, { recursive: true, mode: 0o750 });
  await writeFile(hostPath, '');
  await chmod(hostPath, 0o666);
  return {
    containerPath: container.terminationMessagePath,
    hostPath,
    readonly: false,
    propagation: 'PROPAGATION_PRIVATE',
  };
}

type Devices = NonNullable<ContainerConfig['devices']>;

const withDevices = (devices: Devices): { devices?: Devices } => (devices.length > 0 ? { devices } : {});

const withCdiDevices = (cdiDevices: string[]): { cdiDevices?: string[] } =>
  cdiDevices.length > 0 ? { cdiDevices } : {};

/** Volumes that a container has as devices. */
function volumeDevices({ pod, container, volumes }: ContainerInputs): Devices {
  return (container.volumeDevices ?? []).map(({ name, devicePath }) => {
    const hostPath = volumes.get(name);
    if (hostPath === undefined)
      throw new UnresolvedField(`cannot find volume "${name}" to pass into container "${container.name}"`);
    const claim = pod.spec.volumes?.find((volume) => volume.name === name)?.persistentVolumeClaim;
    return { hostPath, containerPath: devicePath, permissions: claim?.readOnly ? 'r' : 'mrw' };
  });
}

const pairsOf = (values: Record<string, string> = {}): Environment =>
  Object.entries(values).map(([key, value]) => ({ key, value }));

const deviceMounts = (grant: DeviceGrant | undefined): Mount[] =>
  (grant?.mounts ?? []).map(({ containerPath, hostPath, readOnly }) => ({
    containerPath,
    hostPath,
    readonly: readOnly,
    propagation: 'PROPAGATION_PRIVATE',
  }));
