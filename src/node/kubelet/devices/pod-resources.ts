/** Which container of the node's pods has which devices, for whoever may open the kubelet's folder. Source: KEP-606, KEP-3695. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isTerminal } from '#api/core/v1/pod-conditions.ts';
import type { Container, Pod } from '#api/generated/schema.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import {
  type PodResources,
  servePodResources,
  type ToldClaim,
  type ToldDevices,
  type ToldPod,
} from '#node/runtime/devices/pod-resources-server.ts';
import type { UnaryServer } from '#node/runtime/devices/unary-server.ts';
import { initContainers, isSidecar } from '../pod-containers.ts';

export interface PodResourcesOptions {
  /** The kubelet's folder. */
  root: string;
  clock: Clock;
  log: Log;
  pods: { list(): Pod[]; get(key: string): Pod | undefined };
  /** As the kubelet has it, which the API may not know yet. */
  statusOf(pod: Pod): Pod['status'];
  devices: { heldBy(podUid: string, container: string): ToldDevices[]; allocatable(): ToldDevices[] };
  claims: { claimsFor(pod: Pod, container: Container): ToldClaim[] };
}

const FOLDER = 'pod-resources';
const SOCKET = 'kubelet.sock';
/** sun_path of a unix socket, less its end. */
const SOCKET_PATH_BYTES = 107;

/** undefined where its path is too long for a socket. */
export async function openPodResources(options: PodResourcesOptions): Promise<UnaryServer | undefined> {
  const { root, clock, log, pods, statusOf, devices } = options;
  const folder = join(root, FOLDER);
  const socket = join(folder, SOCKET);
  if (Buffer.byteLength(socket) > SOCKET_PATH_BYTES) {
    log.warn('nobody can ask who has which devices: the path of the socket is too long', { socket });
    return undefined;
  }
  await mkdir(folder, { recursive: true, mode: 0o750 });
  await rm(socket, { force: true });
  const isOver = (pod: Pod) => isTerminal({ ...pod, status: statusOf(pod) } as Pod);
  const resources: PodResources = {
    list: () =>
      pods
        .list()
        .filter((pod) => !isOver(pod))
        .map((pod) => toldOf(pod, options)),
    get(namespace, name) {
      const pod = pods.get(`${namespace}/${name}`);
      return pod && toldOf(pod, options);
    },
    allocatable: () => devices.allocatable(),
  };
  return servePodResources(socket, resources, clock);
}

/** Init containers that end have given back theirs. */
function toldOf(pod: Pod, { devices, claims }: PodResourcesOptions): ToldPod {
  const { name, namespace = '', uid } = pod.metadata;
  const containers = [...initContainers(pod).filter(isSidecar), ...pod.spec.containers].map((container) => ({
    name: container.name,
    devices: devices.heldBy(uid, container.name),
    dynamic_resources: claims.claimsFor(pod, container),
  }));
  return { name, namespace, containers };
}
