/** Containers, as the description of a pod or of a pod template shows them. */
import type {
  Container,
  ContainerState,
  ContainerStatus,
  EnvVar,
  Pod,
  Probe,
  ResourceRequirements,
} from '#api/generated/schema.ts';
import { parseQuantity, quantityMilliValue, quantityValue } from '#api/machinery/quantity.ts';
import { formatTime, goList, orNone, type Report, sortedEntries } from './report.ts';

interface Options {
  indent: string;
  statuses?: readonly ContainerStatus[] | undefined;
  /** Whose fields the environment names; templates have none yet. */
  pod?: Pod;
}

export function describeContainers(
  report: Report,
  title: string,
  { containers, indent, statuses = [], pod }: Options & { containers: readonly Container[] },
): void {
  report.line(0, `${indent}${title}:${containers.length === 0 ? ' <none>' : ''}`);
  for (const container of containers) {
    const status = statuses.find(({ name }) => name === container.name);
    basics(report, container, { status, indent });
    commands(report, container);
    if (status) states(report, status);
    resources(report, container.resources);
    probes(report, container);
    environment(report, container, pod);
    mounts(report, container);
  }
}

function basics(
  report: Report,
  container: Container,
  { status, indent }: { status: ContainerStatus | undefined; indent: string },
): void {
  report.line(1, `${indent ? ' ' : ''}${container.name}:`);
  if (status) report.field('Container ID', status.containerID ?? '', 2);
  report.field('Image', container.image ?? '', 2);
  if (status) report.field('Image ID', status.imageID ?? '', 2);
  const ports = container.ports ?? [];
  const told = ports.map(
    ({ containerPort, protocol, name }) => `${containerPort}/${protocol}${name ? ` (${name})` : ''}`,
  );
  const host = ports.map(({ hostPort = 0, protocol, name }) => `${hostPort}/${protocol}${name ? ` (${name})` : ''}`);
  report.field(told.length > 1 ? 'Ports' : 'Port', orNone(told.join(', ')), 2);
  report.field(host.length > 1 ? 'Host Ports' : 'Host Port', orNone(host.join(', ')), 2);
  const { seccompProfile } = container.securityContext ?? {};
  if (!seccompProfile) return;
  report.field('SeccompProfile', seccompProfile.type, 2);
  if (seccompProfile.type === 'Localhost') report.field('LocalhostProfile', seccompProfile.localhostProfile, 3);
}

function commands(report: Report, { command = [], args = [] }: Container): void {
  for (const [title, words] of [
    ['Command', command],
    ['Args', args],
  ] as const) {
    if (words.length === 0) continue;
    report.line(2, `${title}:`);
    for (const word of words) for (const part of word.split('\n')) report.line(3, part);
  }
}

function states(report: Report, { state, lastState, ready, restartCount }: ContainerStatus): void {
  stateOf(report, 'State', state ?? {});
  if (lastState?.terminated) stateOf(report, 'Last State', lastState);
  report.field('Ready', ready ? 'True' : 'False', 2);
  report.field('Restart Count', restartCount ?? 0, 2);
}

function stateOf(report: Report, name: string, { running, waiting, terminated }: ContainerState): void {
  if (running) {
    report.field(name, 'Running', 2);
    report.field('Started', formatTime(running.startedAt), 3);
    return;
  }
  if (!terminated) {
    report.field(name, 'Waiting', 2);
    report.fieldIf('Reason', waiting?.reason, 3);
    return;
  }
  report.field(name, 'Terminated', 2);
  report.fieldIf('Reason', terminated.reason, 3);
  report.fieldIf('Message', terminated.message, 3);
  report.field('Exit Code', terminated.exitCode ?? 0, 3);
  if (terminated.signal) report.field('Signal', terminated.signal, 3);
  report.field('Started', formatTime(terminated.startedAt), 3);
  report.field('Finished', formatTime(terminated.finishedAt), 3);
}

export function resources(report: Report, { limits, requests }: ResourceRequirements = {}, level = 2): void {
  for (const [title, amounts] of [
    ['Limits', limits],
    ['Requests', requests],
  ] as const) {
    const entries = sortedEntries(amounts);
    if (entries.length > 0) report.line(level, `${title}:`);
    for (const [name, amount] of entries) report.field(name, amount, level + 1);
  }
}

function probes(report: Report, { livenessProbe, readinessProbe, startupProbe }: Container): void {
  if (livenessProbe) report.field('Liveness', probeText(livenessProbe), 2);
  if (readinessProbe) report.field('Readiness', probeText(readinessProbe), 2);
  if (startupProbe) report.field('Startup', probeText(startupProbe), 2);
}

export function probeText(probe: Probe): string {
  const {
    initialDelaySeconds = 0,
    timeoutSeconds = 0,
    periodSeconds = 0,
    successThreshold = 0,
    failureThreshold = 0,
  } = probe;
  const attributes = `delay=${initialDelaySeconds}s timeout=${timeoutSeconds}s period=${periodSeconds}s #success=${successThreshold} #failure=${failureThreshold}`;
  const { exec, httpGet, tcpSocket, grpc } = probe;
  if (exec) return `exec ${goList(exec.command)} ${attributes}`;
  if (httpGet) {
    const { scheme = '', host = '', port, path = '' } = httpGet;
    const address = host.includes(':') ? `[${host}]` : host;
    const separator = path && !path.startsWith('/') ? '/' : '';
    return `http-get ${scheme.toLowerCase()}://${address}:${port}${separator}${path} ${attributes}`;
  }
  if (tcpSocket) return `tcp-socket ${tcpSocket.host ?? ''}:${tcpSocket.port} ${attributes}`;
  if (grpc) return `grpc <pod>:${grpc.port} ${grpc.service ?? ''} ${attributes}`;
  return `unknown ${attributes}`;
}

function environment(report: Report, container: Container, pod: Pod | undefined): void {
  const { env = [], envFrom = [] } = container;
  if (envFrom.length > 0) report.line(2, 'Environment Variables from:');
  for (const { configMapRef, secretRef, prefix } of envFrom) {
    const { name = '', optional = false } = configMapRef ?? secretRef ?? {};
    const from = configMapRef ? 'ConfigMap' : 'Secret';
    report.line(3, `${name}\t${from}${prefix ? ` with prefix '${prefix}'` : ''}\tOptional: ${optional}`);
  }
  report.line(2, `Environment:${env.length === 0 ? '\t<none>' : ''}`);
  for (const variable of env) variableLines(report, variable, { container, pod });
}

function variableLines(
  report: Report,
  { name, value = '', valueFrom }: EnvVar,
  { container, pod }: { container: Container; pod: Pod | undefined },
): void {
  if (!valueFrom) {
    for (const [index, part] of value.split('\n').entries())
      report.line(3, `${index === 0 ? `${name}:` : ''}\t${part}`);
    return;
  }
  const { fieldRef, resourceFieldRef, secretKeyRef, configMapKeyRef } = valueFrom;
  if (fieldRef)
    report.line(
      3,
      `${name}:\t${pod ? fieldOf(pod, fieldRef.fieldPath) : ''} (${fieldRef.apiVersion}:${fieldRef.fieldPath})`,
    );
  else if (resourceFieldRef) {
    const amount = amountOf(container, resourceFieldRef);
    const isOpen = amount === '0' && /^limits\.(cpu|memory)$/.test(resourceFieldRef.resource);
    report.line(3, `${name}:\t${isOpen ? 'node allocatable' : amount} (${resourceFieldRef.resource})`);
  } else if (secretKeyRef)
    report.line(
      3,
      `${name}:\t<set to the key '${secretKeyRef.key}' in secret '${secretKeyRef.name}'>\tOptional: ${secretKeyRef.optional ?? false}`,
    );
  else if (configMapKeyRef)
    report.line(
      3,
      `${name}:\t<set to the key '${configMapKeyRef.key}' of config map '${configMapKeyRef.name}'>\tOptional: ${configMapKeyRef.optional ?? false}`,
    );
}

/** Only what the metadata says: the rest is known when the container starts. kubectl tells no single label or annotation. */
function fieldOf({ metadata }: Pod, path: string): string {
  if (path === 'metadata.name') return metadata.name;
  if (path === 'metadata.namespace') return metadata.namespace ?? '';
  return path === 'metadata.uid' ? (metadata.uid ?? '') : '';
}

function amountOf(
  { resources: own }: Container,
  { resource, divisor }: { resource: string; divisor?: string },
): string {
  const [kind = '', ...rest] = resource.split('.');
  const amount = (kind === 'limits' ? own?.limits : own?.requests)?.[rest.join('.')];
  const by = divisor && parseQuantity(divisor)?.nanos ? divisor : '1';
  const value =
    rest[0] === 'cpu' ? quantityMilliValue(amount) / quantityMilliValue(by) : quantityValue(amount) / quantityValue(by);
  return String(Math.ceil(value));
}

function mounts(report: Report, { volumeMounts = [], volumeDevices = [] }: Container): void {
  report.line(2, `Mounts:${volumeMounts.length === 0 ? '\t<none>' : ''}`);
  for (const { mountPath, name, readOnly, subPath } of [...volumeMounts].sort((a, b) =>
    a.mountPath < b.mountPath ? -1 : 1,
  ))
    report.line(
      3,
      `${mountPath} from ${name} (${readOnly ? 'ro' : 'rw'}${subPath ? `,path=${JSON.stringify(subPath)}` : ''})`,
    );
  if (volumeDevices.length === 0) return;
  report.line(2, 'Devices:');
  for (const { devicePath, name } of [...volumeDevices].sort((a, b) => (a.devicePath < b.devicePath ? -1 : 1)))
    report.line(3, `${devicePath} from ${name}`);
}
