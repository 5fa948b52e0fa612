/** Asks a kubelet which container has which devices, as a monitor does. */
import { Client, credentials } from '@grpc/grpc-js';
import { type PodResourcesCall, podResourcesCodecs } from '#node/runtime/devices/pod-resources-messages.ts';
import type { Reply } from '#node/runtime/message-table.ts';

export async function askPodResources(socketPath: string, call: PodResourcesCall, given: object = {}): Promise<Reply> {
  const { path, request, response } = podResourcesCodecs(call);
  const client = new Client(`unix:${socketPath}`, credentials.createInsecure());
  try {
    return await new Promise<Reply>((resolve, reject) => {
      client.makeUnaryRequest(path, request.serialize, response.deserialize, given, (error, reply?: Reply) =>
        error ? reject(new Error(error.details)) : resolve(reply ?? {}),
      );
    });
  } finally {
    client.close();
  }
}
