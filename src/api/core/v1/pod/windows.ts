/** What pods may say that is for one operating system only. */
import type { Container, PodSpec, SecurityContext, WindowsSecurityContextOptions } from '#api/generated/schema.ts';
import { type FieldError, forbiddenField, invalidValue } from '#api/machinery/field-error.ts';
import type { At, Path } from '#api/machinery/field-path.ts';
import { follows } from '#api/machinery/field-rules.ts';
import { dns1123Subdomain } from '#api/machinery/names.ts';

const MAX_SPEC_KIB = 64;
const MAX_DOMAIN = 256;
const MAX_USER = 104;
const NETBIOS = /^[^\\/:*?<>|.][^\\/:*?<>|]{0,14}$/;
const DNS = /^[a-zA-Z0-9][a-zA-Z0-9-]{0,63}(\.[a-zA-Z0-9][a-zA-Z0-9-]{0,63})*$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

export function validateWindowsOptions(
  { gmsaCredentialSpecName: name, gmsaCredentialSpec: credentials, runAsUserName: user }: WindowsSecurityContextOptions,
  at: At<WindowsSecurityContextOptions>,
): FieldError[] {
  const errors = name === undefined ? [] : follows(at.gmsaCredentialSpecName, name, dns1123Subdomain);
  if (credentials === '')
    errors.push(invalidValue(at.gmsaCredentialSpec, credentials, 'gmsaCredentialSpec cannot be an empty string'));
  else if (credentials && credentials.length > MAX_SPEC_KIB * 1024)
    errors.push(
      invalidValue(at.gmsaCredentialSpec, credentials, `gmsaCredentialSpec size must be under ${MAX_SPEC_KIB} KiB`),
    );
  const complaints = user === undefined ? [] : complaintsOfUser(user);
  return [...errors, ...complaints.map((text) => invalidValue(at.runAsUserName, user, `runAsUserName${text}`))];
}

/** Behind `runAsUserName`. */
function complaintsOfUser(name: string): string[] {
  if (name === '') return [' cannot be an empty string'];
  if (CONTROL.test(name)) return [' cannot contain control characters'];
  const parts = name.split('\\');
  if (parts.length > 2) return [' cannot contain more than one backslash'];
  const [user = '', domain] = parts.reverse();
  const complaints: string[] = [];
  if ((domain ?? '').length >= MAX_DOMAIN) complaints.push(`'s Domain length must be under ${MAX_DOMAIN} characters`);
  if (domain !== undefined && !NETBIOS.test(domain) && !DNS.test(domain))
    complaints.push("'s Domain doesn't match the NetBios nor the DNS format");
  if (user === '') complaints.push("'s User cannot be empty");
  else if (user.length > MAX_USER) complaints.push(`'s User length must not be longer than ${MAX_USER} characters`);
  if (/^[. ]+$/.test(user)) complaints.push("'s User cannot contain only periods or spaces");
  if (/["/\\:;|=,+*?<>@[\]]/.test(user))
    complaints.push(`'s User cannot contain the following characters: "/\\:;|=,+*?<>@[]`);
  return complaints;
}

const LISTS = ['initContainers', 'containers', 'ephemeralContainers'] as const;

const contextsOf = (spec: PodSpec, at: At<PodSpec>): { context: SecurityContext; here: At<SecurityContext> }[] =>
  LISTS.flatMap((list) =>
    ((spec[list] ?? []) as readonly Container[]).flatMap(({ securityContext: context }, i) =>
      context ? [{ context, here: at[list][i]!.securityContext as At<SecurityContext> }] : [],
    ),
  );

export function validateForLinux(spec: PodSpec, at: At<PodSpec>): FieldError[] {
  const refuse = (where: Path) => forbiddenField(where, 'windows options cannot be set for a linux pod');
  return [
    ...(spec.securityContext?.windowsOptions ? [refuse(at.securityContext.windowsOptions)] : []),
    ...contextsOf(spec, at).flatMap(({ context, here }) =>
      context.windowsOptions ? [refuse(here.windowsOptions)] : [],
    ),
  ];
}

const NOT_OF_POD = [
  'appArmorProfile',
  'seLinuxOptions',
  'seccompProfile',
  'fsGroup',
  'fsGroupChangePolicy',
  'sysctls',
  'runAsUser',
  'runAsGroup',
  'supplementalGroups',
  'supplementalGroupsPolicy',
  'seLinuxChangePolicy',
] as const;
const NOT_OF_SPEC = ['hostUsers', 'hostPID', 'hostIPC', 'shareProcessNamespace'] as const;
const NOT_OF_CONTAINERS = [
  'appArmorProfile',
  'seLinuxOptions',
  'seccompProfile',
  'capabilities',
  'readOnlyRootFilesystem',
  'privileged',
  'allowPrivilegeEscalation',
  'procMount',
  'runAsUser',
  'runAsGroup',
] as const;

export function validateForWindows(spec: PodSpec, at: At<PodSpec>): FieldError[] {
  const refuse = (where: Path) => forbiddenField(where, 'cannot be set for a windows pod');
  const context = spec.securityContext ?? {};
  return [
    ...NOT_OF_POD.filter((field) => context[field] !== undefined).map((field) => refuse(at.securityContext[field])),
    ...NOT_OF_SPEC.filter((field) => spec[field] !== undefined).map((field) => refuse(at[field])),
    ...contextsOf(spec, at).flatMap(({ context: own, here }) =>
      NOT_OF_CONTAINERS.filter((field) => own[field] !== undefined).map((field) => refuse(here[field])),
    ),
  ];
}

/** Processes of the host are so for a whole pod, and share its network. */
export function validateHostProcess(spec: PodSpec, at: At<PodSpec>): FieldError[] {
  const ofPod = spec.securityContext?.windowsOptions?.hostProcess;
  const all = LISTS.flatMap((list) =>
    ((spec[list] ?? []) as readonly Container[]).map(({ securityContext }, i) => ({
      own: securityContext?.windowsOptions?.hostProcess,
      here: at[list][i]!.securityContext.windowsOptions.hostProcess as Path,
    })),
  );
  const errors = all
    .filter(({ own }) => own !== undefined && ofPod !== undefined && own !== ofPod)
    .map(({ own, here }) =>
      invalidValue(here, own, `pod hostProcess value must be identical if both are specified, was ${ofPod}`),
    );
  const on = all.filter(({ own }) => own ?? ofPod).length;
  if (on === 0) return errors;
  if (on < all.length)
    errors.push(
      invalidValue(
        at,
        '',
        'If pod contains any hostProcess containers then all containers must be HostProcess containers',
      ),
    );
  if (!spec.hostNetwork)
    errors.push(
      invalidValue(at.hostNetwork, false, 'hostNetwork must be true if pod contains any hostProcess containers'),
    );
  return errors;
}
