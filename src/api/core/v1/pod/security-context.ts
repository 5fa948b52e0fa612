/** Who a pod's processes are and what they may. Source: "Configure a Security Context for a Pod or Container". */
import type {
  AppArmorProfile,
  PodSecurityContext,
  PodSpec,
  SeccompProfile,
  SecurityContext,
} from '#api/generated/schema.ts';
import {
  duplicateValue,
  type FieldError,
  forbiddenField,
  invalidValue,
  requiredValue,
} from '#api/machinery/field-error.ts';
import type { At, Path } from '#api/machinery/field-path.ts';
import { isBetween, isOneOf, mustBeOneOf } from '#api/machinery/field-rules.ts';

const MAX_ID = 2_147_483_647;
const PROFILES = ['Localhost', 'RuntimeDefault', 'Unconfined'];
const SYSCTL = /^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$/;
const MAX_SYSCTL = 253;

const isId = (at: Path, value: number | undefined): FieldError[] => isBetween(at, value, [0, MAX_ID]);

/** Of a container. */
export function validateSecurityContext(context: SecurityContext, at: At<SecurityContext>): FieldError[] {
  const errors = [...isId(at.runAsUser, context.runAsUser), ...isId(at.runAsGroup, context.runAsGroup)];
  errors.push(...isOneOf(at.procMount, context.procMount, ['Default', 'Unmasked']));
  if (context.seccompProfile) errors.push(...validateSeccomp(context.seccompProfile, at.seccompProfile));
  if (context.appArmorProfile) errors.push(...validateAppArmor(context.appArmorProfile, at.appArmorProfile));
  if (context.allowPrivilegeEscalation === false) {
    const refuse = (what: string) =>
      errors.push(invalidValue(at, context, `cannot set \`allowPrivilegeEscalation\` to false and ${what}`));
    if (context.privileged) refuse('`privileged` to true');
    if (context.capabilities?.add?.includes('CAP_SYS_ADMIN')) refuse('`capabilities.Add` CAP_SYS_ADMIN');
  }
  return errors;
}

/** Of the pod; containers inherit it. */
export function validatePodSecurityContext(
  context: PodSecurityContext,
  spec: PodSpec,
  at: At<PodSecurityContext>,
): FieldError[] {
  const errors = [
    ...isId(at.fsGroup, context.fsGroup),
    ...isId(at.runAsUser, context.runAsUser),
    ...isId(at.runAsGroup, context.runAsGroup),
    ...(context.supplementalGroups ?? []).flatMap((group, i) => isId(at.supplementalGroups[i]!, group)),
    ...isOneOf(at.fsGroupChangePolicy, context.fsGroupChangePolicy, ['Always', 'OnRootMismatch']),
    ...isOneOf(at.supplementalGroupsPolicy, context.supplementalGroupsPolicy, ['Merge', 'Strict']),
  ];
  if (spec.shareProcessNamespace && spec.hostPID)
    errors.push(
      invalidValue('spec.shareProcessNamespace', true, 'ShareProcessNamespace and HostPID cannot both be enabled'),
    );
  if (context.seccompProfile) errors.push(...validateSeccomp(context.seccompProfile, at.seccompProfile));
  if (context.appArmorProfile) errors.push(...validateAppArmor(context.appArmorProfile, at.appArmorProfile));
  return [...errors, ...validateSysctls(context, spec, at)];
}

function validateSysctls(
  { sysctls = [] }: PodSecurityContext,
  { hostNetwork, hostIPC }: PodSpec,
  at: At<PodSecurityContext>,
): FieldError[] {
  return sysctls.flatMap(({ name = '' }, index) => {
    const here = at.sysctls[index]!.name;
    if (!name) return [requiredValue(here)];
    const errors: FieldError[] = [];
    if (name.length > MAX_SYSCTL || !SYSCTL.test(name))
      errors.push(
        invalidValue(here, name, `must have at most ${MAX_SYSCTL} characters and match regex ${SYSCTL_TEXT}`),
      );
    const dotted = name.replaceAll('/', '.');
    if (sysctls.findIndex((other) => other.name.replaceAll('/', '.') === dotted) < index)
      errors.push(duplicateValue(here, name));
    if (hostNetwork && dotted.startsWith('net.'))
      errors.push(invalidValue(here, name, "may not be specified when 'hostNetwork' is true"));
    if (hostIPC && /^(kernel\.(shm|msg|sem)|fs\.mqueue\.)/.test(dotted))
      errors.push(invalidValue(here, name, "may not be specified when 'hostIPC' is true"));
    return errors;
  });
}

const SYSCTL_TEXT = '^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$';

function validateSeccomp(profile: SeccompProfile, at: At<SeccompProfile>): FieldError[] {
  const errors = mustBeOneOf(at.type, profile.type, PROFILES);
  if (errors.length > 0) return errors;
  if (profile.type === 'Localhost') {
    if (!profile.localhostProfile)
      return [requiredValue(at.localhostProfile, 'must be set when seccomp type is Localhost')];
    return validateDescending(profile.localhostProfile, at.localhostProfile);
  }
  return profile.localhostProfile === undefined
    ? []
    : [invalidValue(at, profile, 'can only be set when seccomp type is Localhost')];
}

function validateAppArmor(profile: AppArmorProfile, at: At<AppArmorProfile>): FieldError[] {
  const errors = mustBeOneOf(at.type, profile.type, PROFILES);
  if (errors.length > 0) return errors;
  if (profile.type === 'Localhost')
    return profile.localhostProfile?.trim()
      ? []
      : [requiredValue(at.localhostProfile, 'must be set when AppArmor type is Localhost')];
  return profile.localhostProfile === undefined
    ? []
    : [invalidValue(at.localhostProfile, profile.localhostProfile, 'can only be set when AppArmor type is Localhost')];
}

/** A path that stays below where it begins. */
export function validateDescending(path: string, at: Path): FieldError[] {
  const errors: FieldError[] = [];
  if (path.startsWith('/')) errors.push(invalidValue(at, path, 'must be a relative path'));
  if (path.split('/').includes('..')) errors.push(invalidValue(at, path, "must not contain '..'"));
  return errors;
}

/** Names of the host's that a pod in a user namespace of its own cannot share. */
export function validateHostUsers(
  { hostUsers, hostNetwork, hostPID, hostIPC }: PodSpec,
  at: At<PodSpec>,
): FieldError[] {
  if (hostUsers !== false) return [];
  const shared = { hostNetwork, hostPID, hostIPC };
  return Object.entries(shared)
    .filter(([, on]) => on)
    .map(([name]) => forbiddenField(at[name as keyof typeof shared], 'when `hostUsers` is false'));
}
