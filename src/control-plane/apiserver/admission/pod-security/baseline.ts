/** The baseline: what lets a container out of itself in known ways. Source: documentation, "Pod Security Standards". */
import type { Container, SELinuxOptions } from '#api/generated/schema.ts';
import {
  type AnyContainer,
  type Check,
  containersText,
  containersWhere,
  everyContainer,
  ifAny,
  plural,
  quoted,
  settersText,
  sortedUnique,
} from './violation.ts';

const DEFAULT_CAPABILITIES: ReadonlySet<string> = new Set(
  'AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID SYS_CHROOT'.split(
    ' ',
  ),
);
const SAFE_SYSCTLS: ReadonlySet<string> = new Set([
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ping_group_range',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.tcp_wmem',
]);
const SELINUX_TYPES: readonly string[] = [
  '',
  'container_t',
  'container_init_t',
  'container_kvm_t',
  'container_engine_t',
];
const APPARMOR_ANNOTATION = 'container.apparmor.security.beta.kubernetes.io/';

const appArmorProfile: Check = (spec, { annotations = {} }) => {
  const isBad = (type: string | undefined) => type === 'Unconfined';
  const setters: string[] = [];
  if (isBad(spec.securityContext?.appArmorProfile?.type)) setters.push('pod');
  const containers = containersWhere(spec, ({ appArmorProfile: profile }) => isBad(profile?.type));
  if (containers.length > 0) setters.push(containersText(containers));
  const values = setters.length > 0 ? ['"Unconfined"'] : [];
  for (const [key, value] of Object.entries(annotations)) {
    if (!key.startsWith(APPARMOR_ANNOTATION) || !value || value === 'runtime/default') continue;
    if (value.startsWith('localhost/')) continue;
    setters.push(`annotation ${JSON.stringify(key)}`);
    values.push(JSON.stringify(value));
  }
  return ifAny(setters, () => ({
    reason: plural('forbidden AppArmor profile', 'forbidden AppArmor profiles', sortedUnique(values).length),
    detail: `${setters.join(' and ')} must not set AppArmor profile type to ${sortedUnique(values).join(', ')}`,
  }));
};

export const baselineCapabilities: Check = (spec) => {
  const foreign = (container: AnyContainer) =>
    (container.securityContext?.capabilities?.add ?? []).filter((one) => !DEFAULT_CAPABILITIES.has(one));
  const bad = everyContainer(spec).filter((container) => foreign(container).length > 0);
  const names = bad.map(({ name }) => name);
  return ifAny(names, () => ({
    reason: 'non-default capabilities',
    detail: `${containersText(names)} must not include ${quoted(sortedUnique(bad.flatMap(foreign)))} in securityContext.capabilities.add`,
  }));
};

const hostNamespaces: Check = ({ hostNetwork, hostPID, hostIPC }) => {
  const shared = Object.entries({ hostNetwork, hostPID, hostIPC }).filter(([, value]) => value);
  const texts = shared.map(([name]) => `${name}=true`);
  return ifAny(texts, () => ({ reason: 'host namespaces', detail: texts.join(', ') }));
};

const hostPathVolumes: Check = ({ volumes = [] }) => {
  const names = volumes.filter(({ hostPath }) => hostPath).map(({ name }) => name);
  return ifAny(names, () => ({
    reason: 'hostPath volumes',
    detail: `${plural('volume', 'volumes', names.length)} ${quoted(names)}`,
  }));
};

const hostPorts: Check = (spec) => {
  const portsOf = ({ ports = [] }: AnyContainer) =>
    ports.flatMap(({ hostPort }) => (hostPort ? [String(hostPort)] : []));
  const bad = everyContainer(spec).filter((container) => portsOf(container).length > 0);
  const names = bad.map(({ name }) => name);
  const ports = sortedUnique(bad.flatMap(portsOf));
  const [uses, what] = [plural('uses', 'use', names.length), plural('hostPort', 'hostPorts', ports.length)];
  return ifAny(names, () => ({
    reason: 'hostPort',
    detail: `${containersText(names)} ${uses} ${what} ${ports.join(', ')}`,
  }));
};

const hostProbes: Check = (spec) => {
  const hostsOf = (container: AnyContainer): string[] => {
    const { livenessProbe, readinessProbe, startupProbe, lifecycle } = container as Container;
    const handlers = [livenessProbe, readinessProbe, startupProbe, lifecycle?.postStart, lifecycle?.preStop];
    return handlers.flatMap((handler) => [handler?.httpGet?.host, handler?.tcpSocket?.host].filter(isText));
  };
  const bad = everyContainer(spec).filter((container) => hostsOf(container).length > 0);
  const names = bad.map(({ name }) => name);
  const hosts = sortedUnique(bad.flatMap(hostsOf));
  const [uses, what] = [plural('uses', 'use', names.length), plural('host', 'hosts', hosts.length)];
  return ifAny(names, () => ({
    reason: 'probe or lifecycle host',
    detail: `${containersText(names)} ${uses} probe or lifecycle ${what} ${quoted(hosts)}`,
  }));
};
const isText = (value: string | undefined): value is string => value !== undefined && value !== '';

const privileged: Check = (spec) => {
  const names = containersWhere(spec, (context) => context.privileged === true);
  return ifAny(names, () => ({
    reason: 'privileged',
    detail: `${containersText(names)} must not set securityContext.privileged=true`,
  }));
};

const procMount: Check = (spec) => {
  if (spec.hostUsers === false) return undefined; // in a user namespace of its own
  const names = containersWhere(spec, (context) => context.procMount === 'Unmasked');
  return ifAny(names, () => ({
    reason: 'procMount',
    detail: `${containersText(names)} must not set securityContext.procMount to "Unmasked"`,
  }));
};

const seLinuxOptions: Check = (spec) => {
  const problemsOf = ({ type = '', user, role }: SELinuxOptions = {}): string[] => [
    ...(SELINUX_TYPES.includes(type) ? [] : [`type ${JSON.stringify(type)}`]),
    ...(user ? ['user may not be set'] : []),
    ...(role ? ['role may not be set'] : []),
  ];
  const ofPod = problemsOf(spec.securityContext?.seLinuxOptions);
  const bad = everyContainer(spec).filter(
    ({ securityContext }) => problemsOf(securityContext?.seLinuxOptions).length > 0,
  );
  const problems = [...ofPod, ...bad.flatMap(({ securityContext }) => problemsOf(securityContext?.seLinuxOptions))];
  const setters = settersText(
    ofPod.length > 0,
    bad.map(({ name }) => name),
  );
  return ifAny(problems, () => ({
    reason: 'seLinuxOptions',
    detail: `${setters} set forbidden securityContext.seLinuxOptions: ${[...new Set(problems)].join('; ')}`,
  }));
};

export const baselineSeccomp: Check = (spec) => {
  const ofPod = spec.securityContext?.seccompProfile?.type === 'Unconfined';
  const names = containersWhere(spec, ({ seccompProfile }) => seccompProfile?.type === 'Unconfined');
  return ofPod || names.length > 0
    ? {
        reason: 'seccompProfile',
        detail: `${settersText(ofPod, names)} must not set securityContext.seccompProfile.type to "Unconfined"`,
      }
    : undefined;
};

const sysctls: Check = ({ securityContext }) => {
  const names = (securityContext?.sysctls ?? []).map(({ name }) => name).filter((name) => !SAFE_SYSCTLS.has(name));
  return ifAny(names, () => ({ reason: 'forbidden sysctls', detail: names.join(', ') }));
};

const windowsHostProcess: Check = (spec) => {
  const ofPod = spec.securityContext?.windowsOptions?.hostProcess === true;
  const names = containersWhere(spec, ({ windowsOptions }) => windowsOptions?.hostProcess === true);
  return ofPod || names.length > 0
    ? {
        reason: 'hostProcess',
        detail: `${settersText(ofPod, names)} must not set securityContext.windowsOptions.hostProcess=true`,
      }
    : undefined;
};

/** Those that hold under the restricted level too, in the order of their names upstream. */
export const baselineAlways: readonly Check[] = [
  appArmorProfile,
  hostNamespaces,
  hostPathVolumes,
  hostPorts,
  hostProbes,
  privileged,
  procMount,
  seLinuxOptions,
  sysctls,
  windowsHostProcess,
];

export const baseline: readonly Check[] = [
  appArmorProfile,
  baselineCapabilities,
  hostNamespaces,
  hostPathVolumes,
  hostPorts,
  hostProbes,
  privileged,
  procMount,
  seLinuxOptions,
  baselineSeccomp,
  sysctls,
  windowsHostProcess,
];
