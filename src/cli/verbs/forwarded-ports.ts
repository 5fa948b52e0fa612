/** `8080:http`: which port of this machine leads to which of a pod. Source: kubectl, cmd/portforward. */
import type { Pod, Service } from '#api/generated/schema.ts';
import { VerbError } from './verb-error.ts';

export interface ForwardedPort {
  /** 0: any that is free. */
  local: number;
  remote: number;
}

const split = (text: string): [string, string] => {
  const parts = text.split(':');
  return parts.length === 2 ? [parts[0]!, parts[1]!] : [parts[0]!, parts[0]!];
};
const isNumber = (text: string): boolean => /^[+-]?\d+$/.test(text);

/** Names become numbers; ports of a Service those of the pod behind it. Throws VerbError. */
export function remotePortsOf(ports: readonly string[], { pod, service }: { pod: Pod; service?: Service }): string[] {
  refuseUdp(ports, service ?? pod);
  return ports.map((text) => {
    let [local, remote] = split(text);
    if (!service) {
      if (remote === '') throw new VerbError('remote port cannot be empty');
      const number = isNumber(remote) ? remote : String(namedPodPort(pod, remote));
      return local === remote ? number : `${local}:${number}`;
    }
    const number = isNumber(remote) ? Number(remote) : namedServicePort(service, remote);
    if (!isNumber(remote) && local === remote) local = String(number);
    remote = String(podPortBehind(service, pod, number));
    return local === remote ? remote : `${local}:${remote}`;
  });
}

function namedPodPort({ spec, metadata }: Pod, name: string): number {
  const all = [
    ...(spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always'),
    ...spec.containers,
  ];
  const found = all.flatMap(({ ports = [] }) => ports).find((port) => port.name === name);
  if (!found) throw new VerbError(`Pod '${metadata.name}' does not have a named port '${name}'`);
  return found.containerPort;
}

function namedServicePort({ spec, metadata }: Service, name: string): number {
  const found = (spec.ports ?? []).find((port) => port.name === name);
  if (!found) throw new VerbError(`Service '${metadata.name}' does not have a named port '${name}'`);
  return found.port;
}

function podPortBehind({ spec, metadata }: Service, pod: Pod, number: number): number {
  const found = (spec.ports ?? []).find(({ port }) => port === number);
  if (!found) throw new VerbError(`Service ${metadata.name} does not have a service port ${number}`);
  if (spec.clusterIP === 'None') return number;
  const { targetPort } = found;
  if (typeof targetPort === 'string' && !isNumber(targetPort)) return namedPodPort(pod, targetPort);
  return Number(targetPort) || number;
}

function refuseUdp(ports: readonly string[], object: Service | Pod): void {
  const pod = 'containers' in object.spec ? (object as Pod) : undefined;
  const service = pod ? undefined : (object as Service);
  const known = pod
    ? pod.spec.containers
        .flatMap((container) => container.ports ?? [])
        .map(({ containerPort, protocol }) => ({ number: containerPort, protocol }))
    : (service!.spec.ports ?? []).map(({ port, protocol }) => ({ number: port, protocol }));
  for (const text of ports) {
    const [, remote] = split(text);
    const named = () => (pod ? namedPodPort(pod, remote) : namedServicePort(service!, remote));
    const number = isNumber(remote) ? Number(remote) : named();
    const protocols = known.filter((port) => port.number === number).map(({ protocol }) => protocol);
    if (protocols.includes('UDP') && !protocols.includes('TCP'))
      throw new VerbError(`UDP protocol is not supported for ${remote}`);
  }
}

const MAX_PORT = 65_535;

/** Throws VerbError for what is no port. */
export function parsePorts(ports: readonly string[]): ForwardedPort[] {
  return ports.map((text) => {
    const parts = text.split(':');
    if (parts.length > 2) throw new VerbError(`invalid port format '${text}'`);
    const local = parts.length === 2 ? parts[0] || '0' : parts[0]!;
    const remote = parts.at(-1)!;
    const parsed = { local: portOf('local', local), remote: portOf('remote', remote) };
    if (parsed.remote === 0) throw new VerbError('remote port must be > 0');
    return parsed;
  });
}

function portOf(side: string, text: string): number {
  const why = !/^\d+$/.test(text) ? 'invalid syntax' : Number(text) > MAX_PORT ? 'value out of range' : undefined;
  if (!why) return Number(text);
  throw new VerbError(
    `error parsing ${side} port '${text}': strconv.ParseUint: parsing ${JSON.stringify(text)}: ${why}`,
  );
}
