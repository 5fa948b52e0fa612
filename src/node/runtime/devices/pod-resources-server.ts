/** The socket at which monitors of a node ask which container has which devices. Source: "Device Plugins", monitoring device plugin resources; KEP-606. */
import { status } from '@grpc/grpc-js';
import type { Clock } from '#base/clock.ts';
import { TokenBucket } from '#base/token-bucket.ts';
import type { Reply } from '#node/runtime/message-table.ts';
import { POD_RESOURCES_CALLS, type PodResourcesCall, podResourcesCodecs } from './pod-resources-messages.ts';
import { type Answer, serveUnary, type UnaryServer } from './unary-server.ts';

export interface ToldDevices {
  resource_name: string;
  device_ids: string[];
  /** Absent where the plugin does not say. */
  topology?: { nodes: { ID: number }[] };
}
/** Of a claim. */
export interface ToldClaim {
  claim_name: string;
  claim_namespace: string;
  claim_resources: {
    cdi_devices: { name: string }[];
    driver_name: string;
    pool_name: string;
    device_name: string;
  }[];
}
export interface ToldPod {
  name: string;
  namespace: string;
  containers: { name: string; devices: ToldDevices[]; dynamic_resources: ToldClaim[] }[];
}

export interface PodResources {
  /** Of pods that are not over. */
  list(): ToldPod[];
  /** undefined when there is none. */
  get(namespace: string, name: string): ToldPod | undefined;
  /** What is well, given away or not. */
  allocatable(): ToldDevices[];
}

/** Of all who ask together. Source: upstream's pkg/kubelet/apis/podresources. */
const RATE = { perSecond: 100, burst: 10 };
const TOO_MANY = { code: status.RESOURCE_EXHAUSTED, details: 'rejected by rate limit' };

export function servePodResources(socketPath: string, resources: PodResources, clock: Clock): Promise<UnaryServer> {
  const answers: Record<PodResourcesCall, (given: Reply, answer: Answer) => void> = {
    List: (_, answer) => answer(null, { pod_resources: resources.list() }),
    GetAllocatableResources: (_, answer) => answer(null, { devices: resources.allocatable() }),
    Get(given, answer) {
      const [namespace, name] = [String(given['pod_namespace'] ?? ''), String(given['pod_name'] ?? '')];
      const told = resources.get(namespace, name);
      if (told) answer(null, { pod_resources: told });
      else answer({ code: status.UNKNOWN, details: `pod ${name} in namespace ${namespace} not found` });
    },
  };
  const bucket = new TokenBucket(RATE, clock.monotonicMs());
  const calls = POD_RESOURCES_CALLS.map((name) => {
    const answer = (given: Reply, reply: Answer): void =>
      bucket.take(clock.monotonicMs()) ? answers[name](given, reply) : reply(TOO_MANY);
    return [name, { codecs: podResourcesCodecs(name), answer }];
  });
  return serveUnary(socketPath, Object.fromEntries(calls));
}
