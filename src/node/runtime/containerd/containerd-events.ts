/**
 * containerd's own events of the CRI's namespace. The CRI's GetContainerEvents does not exist in containerd 1.6, this
 * stream does in all versions. An exit is told about 30 ms before the CRI shows the container as exited.
 */
import type { ServiceError } from '@grpc/grpc-js';
import type { RuntimeEvent } from '#node/runtime/runtime.ts';
import type { Reply } from '#node/runtime/message-table.ts';
import { type GrpcConnection, runtimeError } from './grpc-connection.ts';

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
  if (!type || !(value instanceof Uint8Array)) return undefined;
  const [containerId, processId] = leadingStrings(value);
  // Also what was executed in a container exits; the container itself is the process of the same name.
  if (!containerId || (type === 'exited' && processId !== containerId)) return undefined;
  return { type, id: containerId };
}

/** Fields 1 and 2 of a protobuf message while they are strings: in containerd's task events, the container's id first. */
function leadingStrings(message: Uint8Array): string[] {
  const found: string[] = [];
  for (let at = 0, field = 1; field <= 2; field++) {
    const length = message[at + 1] ?? 0;
    if (message[at] !== ((field << 3) | 2) || length > 0x7f) break;
    found.push(Buffer.from(message.subarray(at + 2, at + 2 + length)).toString('utf8'));
    at += 2 + length;
  }
  return found;
}
