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
  type Rule,
  settersText,
  sortedUnique,
  unlessInUserNamespace,
} from './violation.ts';

const DEFAULT_CAPABILITIES: ReadonlySet<string> = new Set(
  'AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID SYS_CHROOT'.split(
    ' ',
  ),
);
const SAFE_SYSCTLS: readonly string[] = [
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ping_group_range',
  'net.ipv4.tcp_syncookies',
];
const SAFE_SYSCTLS_SINCE_27 = [...SAFE_SYSCTLS, 'net.ipv4.ip_local_reserved_ports'];
const SAFE_SYSCTLS_SINCE_29 = [
  ...SAFE_SYSCTLS_SINCE_27,
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_keepalive_time',
];
const SAFE_SYSCTLS_SINCE_32 = [...SAFE_SYSCTLS_SINCE_29, 'net.ipv4.tcp_rmem', 'net.ipv4.tcp_wmem'];
const SELINUX_TYPES: readonly string[] = ['', 'container_t', 'container_init_t', 'container_kvm_t'];
const SELINUX_TYPES_SINCE_31: readonly string[] = [...SELINUX_TYPES, 'container_engine_t'];
const APPARMOR_ANNOTATION = 'container.apparmor.security.beta.kubernetes.io/';

const appArmorProfile: Check = (spec, { annotations = {} }) => {
  const isBad = (type: string | undefined) => type !== undefined && type !== 'RuntimeDefault' && type !== 'Localhost';
  const ofPod = spec.securityContext?.appArmorProfile?.type;
  const bad = everyContainer(spec).filter(({ securityContext }) => isBad(securityContext?.appArmorProfile?.type));
  const types = [
    isBad(ofPod) ? ofPod : '',
    ...bad.map(({ securityContext }) => securityContext?.appArmorProfile?.type),
  ];
  const annotated = Object.entries(annotations)
    .filter(([key, value]) => key.startsWith(APPARMOR_ANNOTATION) && !isGoodAnnotation(value))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  const values = [...sortedUnique(types.filter(isText)), ...annotated.sort()];
  const setters = [
    settersText(
      isBad(ofPod),
      bad.map(({ name }) => name),
    ),
    annotated.length > 0 ? plural('annotation', 'annotations', annotated.length) : '',
  ].filter(isText);
  return ifAny(setters, () => ({
    reason: plural('forbidden AppArmor profile', 'forbidden AppArmor profiles', values.length),
    detail: `${setters.join(' and ')} must not set AppArmor profile type to ${quoted(values)}`,
  }));
};
const isGoodAnnotation = (value: string): boolean =>
  value === '' || value === 'runtime/default' || value.startsWith('localhost/');

const capabilities: Check = (spec) => {
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
  const names = sortedUnique(bad.map(({ name }) => name));
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

export const procMount: Check = (spec) => {
  const isBad = (type: string | undefined) => type !== undefined && type !== 'Default';
  const names = containersWhere(spec, (context) => isBad(context.procMount));
  const types: (string | undefined)[] = everyContainer(spec).map(({ securityContext }) => securityContext?.procMount);
  return ifAny(names, () => ({
    reason: 'procMount',
    detail: `${containersText(names)} must not set securityContext.procMount to ${quoted(sortedUnique(types.filter(isText).filter(isBad)))}`,
  }));
};

const seLinuxOptions =
  (allowed: readonly string[]): Check =>
  (spec) => {
    const isBad = ({ type = '', user, role }: SELinuxOptions = {}) => !allowed.includes(type) || !!user || !!role;
    const ofPod = isBad(spec.securityContext?.seLinuxOptions);
    const bad = everyContainer(spec).filter(({ securityContext }) => isBad(securityContext?.seLinuxOptions));
    const options = [
      spec.securityContext?.seLinuxOptions,
      ...bad.map(({ securityContext }) => securityContext?.seLinuxOptions),
    ];
    const types = sortedUnique(options.map((one) => one?.type ?? '').filter((type) => !allowed.includes(type)));
    const setters = settersText(
      ofPod,
      bad.map(({ name }) => name),
    );
    const problems = [
      ...(types.length > 0 ? [`${plural('type', 'types', types.length)} ${quoted(types)}`] : []),
      ...(options.some((one) => one?.user) ? ['user may not be set'] : []),
      ...(options.some((one) => one?.role) ? ['role may not be set'] : []),
    ];
    return ifAny(problems, () => ({
      reason: 'seLinuxOptions',
      detail: `${setters} set forbidden securityContext.seLinuxOptions: ${problems.join('; ')}`,
    }));
  };

const SECCOMP_ANNOTATION = 'seccomp.security.alpha.kubernetes.io/pod';
const SECCOMP_ANNOTATION_OF_CONTAINERS = 'container.seccomp.security.alpha.kubernetes.io/';

/** How it was said before 1.19. */
const seccompAnnotations: Check = (spec, { annotations = {} }) => {
  const isGood = (value: string) => /^(runtime\/default|docker\/default|localhost\/.*)$/s.test(value);
  const keys = everyContainer(spec).map(({ name }) => `${SECCOMP_ANNOTATION_OF_CONTAINERS}${name}`);
  const bad = [SECCOMP_ANNOTATION, ...keys]
    .filter((key) => Object.hasOwn(annotations, key) && !isGood(annotations[key] ?? ''))
    .map((key) => `${key}=${JSON.stringify(annotations[key])}`);
  const texts = sortedUnique(bad);
  return ifAny(texts, () => ({
    reason: 'seccompProfile',
    detail: `forbidden ${plural('annotation', 'annotations', texts.length)} ${texts.join(', ')}`,
  }));
};

/** Who sets a profile that is none: the pod, containers, and what they say. */
export const seccompProfiles: Check = (spec) => {
  const isBad = (type: string | undefined) => type !== undefined && type !== 'RuntimeDefault' && type !== 'Localhost';
  const ofPod = spec.securityContext?.seccompProfile?.type;
  const bad = everyContainer(spec).filter(({ securityContext }) => isBad(securityContext?.seccompProfile?.type));
  const types = [isBad(ofPod) ? ofPod : '', ...bad.map(({ securityContext }) => securityContext?.seccompProfile?.type)];
  const setters = settersText(
    isBad(ofPod),
    bad.map(({ name }) => name),
  );
  return ifAny(types.filter(isText), () => ({
    reason: 'seccompProfile',
    detail: `${setters} must not set securityContext.seccompProfile.type to ${quoted(sortedUnique(types.filter(isText)))}`,
  }));
};

const sysctls =
  (safe: readonly string[]): Check =>
  ({ securityContext }) => {
    const names = (securityContext?.sysctls ?? []).map(({ name }) => name).filter((name) => !safe.includes(name));
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

/** In the order of their names upstream. */
export const baseline: readonly Rule[] = [
  { name: 'appArmorProfile', since: [[0, appArmorProfile]] },
  { name: 'capabilities_baseline', since: [[0, capabilities]] },
  { name: 'hostNamespaces', since: [[0, hostNamespaces]] },
  { name: 'hostPathVolumes', since: [[0, hostPathVolumes]] },
  { name: 'hostPorts', since: [[0, hostPorts]] },
  { name: 'hostProbesAndHostLifecycle', since: [[34, hostProbes]] },
  { name: 'privileged', since: [[0, privileged]] },
  {
    name: 'procMount',
    since: [
      [0, procMount],
      [35, unlessInUserNamespace(procMount)],
    ],
  },
  {
    name: 'seLinuxOptions',
    since: [
      [0, seLinuxOptions(SELINUX_TYPES)],
      [31, seLinuxOptions(SELINUX_TYPES_SINCE_31)],
    ],
  },
  {
    name: 'seccompProfile_baseline',
    since: [
      [0, seccompAnnotations],
      [19, seccompProfiles],
    ],
  },
  {
    name: 'sysctls',
    since: [
      [0, sysctls(SAFE_SYSCTLS)],
      [27, sysctls(SAFE_SYSCTLS_SINCE_27)],
      [29, sysctls(SAFE_SYSCTLS_SINCE_29)],
      [32, sysctls(SAFE_SYSCTLS_SINCE_32)],
    ],
  },
  { name: 'windowsHostProcess', since: [[0, windowsHostProcess]] },
];
