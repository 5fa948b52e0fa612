/**
 * containerd's own events of the CRI's namespace. The CRI's GetContainerEvents does not exist in containerd 1.6, this
 * stream does in all versions. An exit is told about 30 ms before the CRI shows the container as exited.
 */
import type { ServiceError } from '@grpc/grpc-js';
import type { RuntimeEvent } from '#node/runtime/runtime.ts';
import { type GrpcConnection, type Reply, runtimeError } from './grpc-connection.ts';

const TYPES: Record<string, RuntimeEvent['type']> = {
  '/tasks/create': 'created',
  '/tasks/start': 'started',
  '/tasks/exit': 'exited',
  '/tasks/delete': 'deleted',
  '/tasks/oom': 'oom',
};

export async function* containerdEvents(grpc: GrpcConnection, signal: AbortSignal): AsyncGenerator<RuntimeEvent> {
  if (signal.aborted) return;
  const stream = grpc.subscribe(['namespace==k8s.io,topic~=^/tasks/']);
  const cancel = () => stream.cancel();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    for await (const envelope of stream as AsyncIterable<Reply>) {
      const event = toRuntimeEvent(envelope);
      if (event) yield event;
    }
  } catch (error) {
    if (!signal.aborted) throw runtimeError(error as ServiceError);
  } finally {
    signal.removeEventListener('abort', cancel);
    stream.cancel();
  }
}

export function toRuntimeEvent(envelope: Reply): RuntimeEvent | undefined {
  const type = TYPES[String(envelope['topic'])];
  const value = (envelope['event'] as Reply | null)?.['value'];
  const id = value instanceof Uint8Array ? firstString(value) : undefined;
  return type && id ? { type, id } : undefined;
}

/** Field 1 of a protobuf message: in all of containerd's task events the container's id. */
function firstString(message: Uint8Array): string | undefined {
  const [tag, length = 0] = message;
  const isStringOfField1 = tag === 0x0a && length < 0x80;
  return isStringOfField1 ? Buffer.from(message.subarray(2, 2 + length)).toString('utf8') : undefined;
}
