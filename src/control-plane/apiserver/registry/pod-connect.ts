/**
 * Subresources of a pod that its kubelet (or the pod itself) answers: where they lead, after the container was found
 * and admission had its say. Source: upstream's registry/core/pod, strategy.go and rest/subresources.go.
 */
import { Pod } from '#api/core/v1/pod.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { badRequest, notFound, serviceUnavailable } from '#api/machinery/status.ts';
import { isTrue } from '../request-info.ts';
import { admissionRequest, type Reply, type ResourceCall } from '../resource-call.ts';
import type { Forward } from '../streaming/forward.ts';
import type { VerbServices } from './behaviour.ts';
import { kubeletOf } from './node-address.ts';
import { proxyTarget, refuseOwnAddress } from './proxy-target.ts';

const DEFAULT_CONTAINER = 'kubectl.kubernetes.io/default-container';

export async function exec(call: ResourceCall, services: VerbServices): Promise<Reply> {
  return streamed(call, services, { options: 'PodExecOptions', path: 'exec' });
}

export async function attach(call: ResourceCall, services: VerbServices): Promise<Reply> {
  return streamed(call, services, { options: 'PodAttachOptions', path: 'attach' });
}

async function streamed(
  call: ResourceCall,
  services: VerbServices,
  { options, path }: { options: string; path: 'exec' | 'attach' },
): Promise<Reply> {
  const { query } = call.info;
  await admitConnect(call, services, options);
  const pod = await podOf(call, services);
  const container = containerOf(pod, query.get('container') ?? '');
  const wanted = new URLSearchParams();
  for (const [from, to] of STREAMS) if (isTrue(query.get(from))) wanted.set(to, '1');
  if (isTrue(query.get('tty'))) wanted.set('tty', '1');
  if (path === 'exec') for (const part of query.getAll('command')) wanted.append('command', part);
  const { namespace, name } = pathSegments(pod);
  return toKubelet(pod, services, {
    path: `/${path}/${namespace}/${name}/${encodeURIComponent(container)}?${wanted}`,
    mode: 'upgrade',
  });
}

/** The API's names of the streams, and the kubelet's. */
const STREAMS = [
  ['stdin', 'input'],
  ['stdout', 'output'],
  ['stderr', 'error'],
] as const;

export async function portForward(call: ResourceCall, services: VerbServices): Promise<Reply> {
  await admitConnect(call, services, 'PodPortForwardOptions');
  const pod = await podOf(call, services);
  const ports = call.info.query.getAll('ports');
  const query = ports.length > 0 ? `?${ports.map((port) => `port=${encodeURIComponent(port)}`).join('&')}` : '';
  const { namespace, name } = pathSegments(pod);
  return toKubelet(pod, services, { path: `/portForward/${namespace}/${name}${query}`, mode: 'upgrade' });
}

/** What `kubectl logs` may ask of the kubelet. */
const LOG_OPTIONS = [
  'follow',
  'previous',
  'timestamps',
  'sinceSeconds',
  'sinceTime',
  'tailLines',
  'limitBytes',
  'stream',
];

export async function log(call: ResourceCall, services: VerbServices): Promise<Reply> {
  const { query } = call.info;
  const pod = await podOf(call, services);
  const container = containerOf(pod, query.get('container') ?? '');
  refuseBadLogOptions(query);
  if (!pod.spec.nodeName) return { code: 200, text: '' }; // not scheduled yet: nothing was logged
  const options = new URLSearchParams();
  for (const option of LOG_OPTIONS) {
    const value = query.get(option);
    if (value !== null && value !== '') options.set(option, value);
  }
  const { namespace, name } = pathSegments(pod);
  return toKubelet(pod, services, {
    path: `/containerLogs/${namespace}/${name}/${encodeURIComponent(container)}?${options}`,
    mode: 'stream',
  });
}

function refuseBadLogOptions(query: URLSearchParams): void {
  const number = (name: string) => {
    const text = query.get(name);
    if (text === null || text === '') return undefined;
    if (!/^-?\d{1,18}$/.test(text))
      throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
    return Number(text);
  };
  const refuse = (why: string) => badRequest(`PodLogOptions "" is invalid: ${why}`);
  const [tail, limit, since] = [number('tailLines'), number('limitBytes'), number('sinceSeconds')];
  if (tail !== undefined && tail < 0)
    throw refuse(`tailLines: Invalid value: ${tail}: must be greater than or equal to 0`);
  if (limit !== undefined && limit < 1) throw refuse(`limitBytes: Invalid value: ${limit}: must be greater than 0`);
  if (since !== undefined && since < 1) throw refuse(`sinceSeconds: Invalid value: ${since}: must be greater than 0`);
  if (since !== undefined && query.get('sinceTime'))
    throw refuse('<nil>: Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified');
}

export async function proxyPod(call: ResourceCall, services: VerbServices): Promise<Reply> {
  await admitConnect(call, services, 'PodProxyOptions');
  const { name } = call.info;
  const { scheme, id, port } = proxyTarget(name);
  const pod = await podOf({ ...call, info: { ...call.info, name: id } }, services);
  const ip = pod.status?.podIPs?.[0]?.ip ?? pod.status?.podIP;
  const number = portOf(pod, port);
  refuseOwnAddress(ip ?? '');
  return { code: 200, forward: proxied(call, { host: ip!, port: number, scheme }) };
}

/** The first container port when none is named. */
function portOf({ spec }: Pod, port: string): number {
  if (/^\d+$/.test(port)) return Number(port);
  const ports = spec.containers.flatMap((container) => container.ports ?? []);
  if (!port) return ports[0]?.containerPort ?? 80;
  const named = ports.find(({ name }) => name === port);
  if (!named) throw badRequest(`pod has no port named ${JSON.stringify(port)}`);
  return named.containerPort;
}

const isPort = (port: number | string) => /^\d{1,5}$/.test(String(port)) && Number(port) > 0 && Number(port) < 65536;

/** What stands behind `proxy/` in the URL, at that address. Throws ServiceUnavailable. */
export function proxied(
  { info }: ResourceCall,
  { host, port, scheme }: { host: string; port: number | string; scheme: string },
): Forward {
  if (!isPort(port)) throw serviceUnavailable(`error trying to reach service: dial tcp: address ${port}: invalid port`);
  const query = info.query.toString();
  return {
    host,
    port: Number(port),
    security: scheme === 'https' ? 'unverified' : 'plain',
    path: `/${info.rest}${query && `?${query}`}`,
    mode: 'proxy',
    prefix: info.path.slice(0, info.path.length - info.rest.length).replace(/\/$/, ''),
  };
}

async function podOf({ info }: ResourceCall, { stored }: VerbServices): Promise<Pod> {
  const pod = await stored.get(Pod, { namespace: info.namespace, name: info.name });
  if (!pod) throw notFound(Pod, info.name);
  return pod;
}

/** The named one, the annotated one, or the only one. Throws BadRequest. */
export function containerOf({ metadata, spec }: Pod, wanted: string): string {
  const main = spec.containers.map(({ name }) => name);
  const init = (spec.initContainers ?? []).map(({ name }) => name);
  const ephemeral = (spec.ephemeralContainers ?? []).map(({ name }) => name);
  const all = [...main, ...init, ...ephemeral];
  if (wanted) {
    if (all.includes(wanted)) return wanted;
    throw badRequest(`container ${wanted} is not valid for pod ${metadata.name}`);
  }
  if (all.length === 1) return all[0]!;
  const annotated = metadata.annotations?.[DEFAULT_CONTAINER];
  if (annotated && all.includes(annotated)) return annotated;
  const text = `a container name must be specified for pod ${metadata.name}, choose one of: [${main.join(' ')}]`;
  throw badRequest(init.length > 0 ? `${text} or one of the init containers: [${init.join(' ')}]` : text);
}

const pathSegments = ({ metadata }: Pod) => ({
  namespace: encodeURIComponent(metadata.namespace ?? ''),
  name: encodeURIComponent(metadata.name),
});

async function toKubelet(
  pod: Pod,
  services: VerbServices,
  { path, mode }: { path: string; mode: 'upgrade' | 'stream' },
): Promise<Reply> {
  const { nodeName } = pod.spec;
  if (!nodeName) throw badRequest(`pod ${pod.metadata.name} does not have a host assigned`);
  const { host, port } = await kubeletOf(nodeName, services);
  return { code: 200, forward: { host, port, security: 'kubelet', serverName: nodeName, path, mode } };
}

async function admitConnect(call: ResourceCall, { admission }: VerbServices, options: string): Promise<void> {
  const object = {
    kind: options,
    apiVersion: 'v1',
    metadata: {},
    ...Object.fromEntries(call.info.query),
    command: call.info.query.getAll('command'),
  } as unknown as KubeObject;
  const request = admissionRequest(call, { verb: 'connect', object, dryRun: false });
  await admission.mutate(request);
  await admission.validate(request);
}
