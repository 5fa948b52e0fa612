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
  tooLong,
} from '#api/machinery/field-error.ts';
import type { At, Path } from '#api/machinery/field-path.ts';
import { isBetween, isOneOf } from '#api/machinery/field-rules.ts';
import { repeatedIn } from '#api/machinery/repeated.ts';
import { validateDescending } from './volume-sources.ts';
import { validateWindowsOptions } from './windows.ts';

const MAX_ID = 2_147_483_647;
const PROFILES = ['Localhost', 'RuntimeDefault', 'Unconfined'];
const SYSCTL = /^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$/;
const MAX_SYSCTL = 253;

const isId = (at: Path, value: number | undefined): FieldError[] => isBetween(at, value, [0, MAX_ID]);

/** Of a container. `ownUsers`: whether its pod has users of its own. */
export function validateSecurityContext(
  context: SecurityContext,
  at: At<SecurityContext>,
  ownUsers: boolean,
): FieldError[] {
  const errors = [...isId(at.runAsUser, context.runAsUser), ...isId(at.runAsGroup, context.runAsGroup)];
  errors.push(...isOneOf(at.procMount, context.procMount, ['Default', 'Unmasked']));
  if (context.procMount === 'Unmasked' && !ownUsers)
    errors.push(invalidValue(at.procMount, context.procMount, '`hostUsers` must be false to use `Unmasked`'));
  if (context.seccompProfile) errors.push(...validateSeccomp(context.seccompProfile, at.seccompProfile));
  if (context.allowPrivilegeEscalation === false) {
    const refuse = (what: string) =>
      errors.push(invalidValue(at, context, `cannot set \`allowPrivilegeEscalation\` to false and ${what}`));
    if (context.privileged) refuse('`privileged` to true');
    if (context.capabilities?.add?.includes('CAP_SYS_ADMIN')) refuse('`capabilities.Add` CAP_SYS_ADMIN');
  }
  if (context.windowsOptions) errors.push(...validateWindowsOptions(context.windowsOptions, at.windowsOptions));
  if (context.appArmorProfile) errors.push(...validateAppArmor(context.appArmorProfile, at.appArmorProfile));
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
    ...isOneOf(at.seLinuxChangePolicy, context.seLinuxChangePolicy, ['Recursive']),
    ...isOneOf(at.fsGroupChangePolicy, context.fsGroupChangePolicy, ['Always', 'OnRootMismatch']),
    ...isOneOf(at.supplementalGroupsPolicy, context.supplementalGroupsPolicy, ['Merge', 'Strict']),
  ];
  if (spec.shareProcessNamespace && spec.hostPID)
    errors.push(
      invalidValue(
        'spec.securityContext.shareProcessNamespace',
        true,
        'ShareProcessNamespace and HostPID cannot both be enabled',
      ),
    );
  if (context.seccompProfile) errors.push(...validateSeccomp(context.seccompProfile, at.seccompProfile));
  if (context.windowsOptions) errors.push(...validateWindowsOptions(context.windowsOptions, at.windowsOptions));
  if (context.appArmorProfile) errors.push(...validateAppArmor(context.appArmorProfile, at.appArmorProfile));
  return [...errors, ...validateSysctls(context, spec, at)];
}

function validateSysctls(
  { sysctls = [] }: PodSecurityContext,
  { hostNetwork, hostIPC }: PodSpec,
  at: At<PodSecurityContext>,
): FieldError[] {
  const repeated = repeatedIn(sysctls.map(({ name = '' }) => name.replaceAll('/', '.')));
  return sysctls.flatMap(({ name = '' }, index) => {
    const here = at.sysctls[index]!.name;
    if (!name) return [requiredValue(here)];
    const errors: FieldError[] = [];
    if (name.length > MAX_SYSCTL || !SYSCTL.test(name))
      errors.push(
        invalidValue(here, name, `must have at most ${MAX_SYSCTL} characters and match regex ${SYSCTL_TEXT}`),
      );
    const dotted = name.replaceAll('/', '.');
    if (repeated.has(index)) errors.push(duplicateValue(here, name));
    if (hostNetwork && dotted.startsWith('net.'))
      errors.push(invalidValue(here, name, "may not be specified when 'hostNetwork' is true"));
    if (hostIPC && /^(kernel\.(shm|msg|sem)|fs\.mqueue\.)/.test(dotted))
      errors.push(invalidValue(here, name, "may not be specified when 'hostIPC' is true"));
    return errors;
  });
}

const SYSCTL_TEXT = '^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$';

function validateSeccomp(profile: SeccompProfile, at: At<SeccompProfile>): FieldError[] {
  const { type, localhostProfile: file } = profile;
  const errors = type
    ? isOneOf(at.type, type, PROFILES)
    : [requiredValue(at.type, 'type is required when seccompProfile is set')];
  if (type === 'Localhost')
    errors.push(
      ...(file === undefined
        ? [requiredValue(at.localhostProfile, 'must be set when seccomp type is Localhost')]
        : validateDescending(file, at.localhostProfile)),
    );
  else if (file !== undefined)
    errors.push(
      invalidValue(
        at.localhostProfile,
        { Type: type ?? '', LocalhostProfile: file ?? null },
        'can only be set when seccomp type is Localhost',
      ),
    );
  return errors;
}

const MAX_PROFILE_BYTES = 4095;

function validateAppArmor({ type, localhostProfile: file }: AppArmorProfile, at: At<AppArmorProfile>): FieldError[] {
  if (!type) return [requiredValue(at.type, 'type is required when appArmorProfile is set')];
  if (!PROFILES.includes(type)) return isOneOf(at.type, type, PROFILES);
  if (type !== 'Localhost')
    return file === undefined
      ? []
      : [invalidValue(at.localhostProfile, file, 'can only be set when AppArmor type is Localhost')];
  const errors: FieldError[] = [];
  if (file !== undefined && file.trim() !== file)
    errors.push(invalidValue(at.localhostProfile, file, 'must not be padded with whitespace'));
  else if (!file) errors.push(requiredValue(at.localhostProfile, 'must be set when AppArmor type is Localhost'));
  if ((file ?? '').length > MAX_PROFILE_BYTES) errors.push(tooLong(at.localhostProfile, MAX_PROFILE_BYTES));
  return errors;
}

/** What of the host's a pod in a user namespace of its own cannot share, with the names that upstream has for it. */
export function validateHostUsers(spec: PodSpec, at: At<PodSpec>): FieldError[] {
  if (spec.hostUsers !== false) return [];
  const refuse = (where: Path) => forbiddenField(where, 'when `hostUsers` is false');
  const odd = at as unknown as At<{ HostPID: boolean; HostIPC: boolean }>;
  return [
    ...(spec.hostNetwork ? [refuse(at.hostNetwork)] : []),
    ...(spec.hostPID ? [refuse(odd.HostPID)] : []),
    ...(spec.hostIPC ? [refuse(odd.HostIPC)] : []),
    ...(['initContainers', 'containers', 'ephemeralContainers'] as const).flatMap((list) =>
      (spec[list] ?? []).flatMap(({ volumeDevices }, i) =>
        volumeDevices?.length ? [refuse(at[list][i]!.volumeDevices)] : [],
      ),
    ),
  ];
}
