/** The socket at which monitors of a node ask which container has which devices. Source: "Device Plugins", monitoring device plugin resources; KEP-606. */
import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import type { Clock } from '#base/clock.ts';
import { TokenBucket } from '#base/token-bucket.ts';
import type { Reply } from '#node/runtime/message-table.ts';
import { POD_RESOURCES_CALLS, type PodResourcesCall, podResourcesCodecs } from './pod-resources-messages.ts';

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

export interface PodResourcesServer {
  close(): Promise<void>;
}

/** Of all who ask together. Source: upstream's pkg/kubelet/apis/podresources. */
const RATE = { perSecond: 100, burst: 10 };
const TOO_MANY = { code: status.RESOURCE_EXHAUSTED, details: 'rejected by rate limit' };

type Answer = (error: { code: number; details: string } | null, reply?: object) => void;

export async function servePodResources(
  socketPath: string,
  resources: PodResources,
  clock: Clock,
): Promise<PodResourcesServer> {
  const server = new Server({ 'grpc.max_receive_message_length': 64 * 1024 });
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
  const methods = Object.fromEntries(POD_RESOURCES_CALLS.map((call) => [call, methodOf(call)]));
  const handlers = Object.fromEntries(
    POD_RESOURCES_CALLS.map((call) => [
      call,
      ({ request }: { request: Reply }, answer: Answer) =>
        bucket.take(clock.monotonicMs()) ? answers[call](request, answer) : answer(TOO_MANY),
    ]),
  );
  server.addService(methods, handlers);
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${socketPath}`, ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    );
  });
  return {
    async close() {
      server.forceShutdown();
    },
  };
}

function methodOf(call: PodResourcesCall) {
  const { path, request, response } = podResourcesCodecs(call);
  return {
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: request.serialize,
    requestDeserialize: request.deserialize,
    responseSerialize: response.serialize,
    responseDeserialize: response.deserialize,
  };
}
