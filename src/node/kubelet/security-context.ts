/** Security settings: the container's own where it says them, else the pod's. Source: API reference, SecurityContext. */
import type { Container, Pod, SeccompProfile } from '#api/generated/schema.ts';
import type { Image } from '#node/runtime/image.ts';
import type {
  ContainerSecurityContext,
  NamespaceOptions,
  SandboxSecurityContext,
  SecurityProfile,
  SupplementalGroupsPolicy,
  UserNamespace,
} from '#node/runtime/security-context.ts';
import { podText } from './pod-containers.ts';

export interface SecurityFacts {
  /** The runtime refuses every AppArmor field where the kernel has none. */
  appArmor: boolean;
  /** Where `localhostProfile` paths begin. */
  seccompRoot: string;
}

/** The pod asks for what cannot be given; the message is the container's waiting message. */
export class RefusedSecurity extends Error {}

export function sandboxSecurity(
  pod: Pod,
  { security, users }: { security: SecurityFacts; users: UserNamespace },
): SandboxSecurityContext {
  const context = pod.spec.securityContext ?? {};
  const seccomp = seccompOf(context.seccompProfile, security);
  return {
    namespaceOptions: namespacesOf(pod, users),
    ...(context.seLinuxOptions && { seLinuxOptions: context.seLinuxOptions }),
    ...(context.runAsUser !== undefined && { runAsUser: context.runAsUser }),
    ...(context.runAsGroup !== undefined && context.runAsUser !== undefined && { runAsGroup: context.runAsGroup }),
    ...(groupsOf(pod).length > 0 && { supplementalGroups: groupsOf(pod) }),
    ...groupsPolicyOf(pod),
    privileged: pod.spec.containers.some(({ securityContext }) => securityContext?.privileged === true),
    seccomp: seccomp ?? { profileType: 'RuntimeDefault' },
  };
}

export interface ContainerSecurityInputs {
  facts: SecurityFacts;
  image: Image | undefined;
  users: UserNamespace;
  targetId: string | undefined;
}

export function containerSecurity(
  pod: Pod,
  container: Container,
  { facts, image, users, targetId }: ContainerSecurityInputs,
): ContainerSecurityContext {
  const own = container.securityContext ?? {};
  const shared = pod.spec.securityContext ?? {};
  const runAsUser = own.runAsUser ?? shared.runAsUser ?? image?.uid;
  const runAsGroup = own.runAsGroup ?? shared.runAsGroup;
  const privileged = own.privileged === true;
  if (own.runAsNonRoot ?? shared.runAsNonRoot)
    refuseRoot(pod, container, { runAsUser, username: image?.username ?? '' });
  const seccomp = privileged ? undefined : seccompOf(own.seccompProfile ?? shared.seccompProfile, facts);
  const apparmor = appArmorOf(own.appArmorProfile ?? shared.appArmorProfile, facts);
  return {
    namespaceOptions: { ...namespacesOf(pod, users), ...(targetId && { pid: 'TARGET', targetId }) },
    privileged,
    ...(own.capabilities && {
      capabilities: { add: own.capabilities.add ?? [], drop: own.capabilities.drop ?? [] },
    }),
    ...((own.seLinuxOptions ?? shared.seLinuxOptions) && {
      seLinuxOptions: own.seLinuxOptions ?? shared.seLinuxOptions,
    }),
    ...(runAsUser !== undefined && { runAsUser }),
    ...(runAsUser === undefined && image?.username && { runAsUsername: image.username }),
    ...(runAsGroup !== undefined && { runAsGroup }),
    readonlyRootfs: own.readOnlyRootFilesystem === true,
    ...(groupsOf(pod).length > 0 && { supplementalGroups: groupsOf(pod) }),
    ...groupsPolicyOf(pod),
    noNewPrivs: own.allowPrivilegeEscalation === false,
    ...(own.procMount !== 'Unmasked' && !privileged && { maskedPaths: MASKED, readonlyPaths: READ_ONLY }),
    seccomp: seccomp ?? { profileType: 'Unconfined' },
    ...(apparmor && { apparmor }),
  };
}

// Source: the runtime's defaults for /proc, as every runtime sets them.
const MASKED = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
];
const READ_ONLY = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

function groupsOf(pod: Pod): number[] {
  const { fsGroup, supplementalGroups = [] } = pod.spec.securityContext ?? {};
  return fsGroup === undefined ? supplementalGroups : [fsGroup, ...supplementalGroups];
}

function groupsPolicyOf({ spec }: Pod): { supplementalGroupsPolicy?: SupplementalGroupsPolicy } {
  const policy = spec.securityContext?.supplementalGroupsPolicy;
  return policy ? { supplementalGroupsPolicy: policy } : {};
}

const namespacesOf = ({ spec }: Pod, usernsOptions: UserNamespace): NamespaceOptions => ({
  network: spec.hostNetwork ? 'NODE' : 'POD',
  pid: spec.hostPID ? 'NODE' : spec.shareProcessNamespace ? 'POD' : 'CONTAINER',
  ipc: spec.hostIPC ? 'NODE' : 'POD',
  usernsOptions,
});

function seccompOf(profile: SeccompProfile | undefined, { seccompRoot }: SecurityFacts): SecurityProfile | undefined {
  switch (profile?.type) {
    case 'RuntimeDefault':
      return { profileType: 'RuntimeDefault' };
    case 'Unconfined':
      return { profileType: 'Unconfined' };
    case 'Localhost':
      if (!profile.localhostProfile)
        throw new RefusedSecurity('localhostProfile must be set if seccompProfile type is Localhost.');
      return { profileType: 'Localhost', localhostRef: `${seccompRoot}/${profile.localhostProfile}` };
    default:
      return undefined;
  }
}

function appArmorOf(
  profile: { type: string; localhostProfile?: string } | undefined,
  { appArmor }: SecurityFacts,
): SecurityProfile | undefined {
  if (!profile) return undefined;
  if (!appArmor) {
    if (profile.type === 'Unconfined') return undefined;
    throw new RefusedSecurity('Cannot enforce AppArmor: AppArmor is not enabled on the host');
  }
  if (profile.type === 'Localhost') return { profileType: 'Localhost', localhostRef: profile.localhostProfile ?? '' };
  return { profileType: profile.type === 'Unconfined' ? 'Unconfined' : 'RuntimeDefault' };
}

function refuseRoot(
  pod: Pod,
  container: Container,
  { runAsUser, username }: { runAsUser: number | undefined; username: string },
): void {
  const where = `(pod: "${podText(pod)}", container: ${container.name})`;
  const said = container.securityContext?.runAsUser ?? pod.spec.securityContext?.runAsUser;
  if (said === 0) throw new RefusedSecurity(`container's runAsUser breaks non-root policy ${where}`);
  if (said !== undefined) return;
  if (username)
    throw new RefusedSecurity(
      `container has runAsNonRoot and image has non-numeric user (${username}), cannot verify user is non-root ${where}`,
    );
  if (runAsUser === undefined || runAsUser === 0)
    throw new RefusedSecurity(`container has runAsNonRoot and image will run as root ${where}`);
}
