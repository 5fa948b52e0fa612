/** gRPC over containerd's unix socket: the calls of `cri-messages.ts`, with errors as RuntimeError. */
import {
  type CallOptions,
  Client,
  type ClientReadableStream,
  credentials,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import protobuf from 'protobufjs/light.js';
import type { Clock } from '#base/clock.ts';
import { type Codec, codecOf, enumsJson, messagesJson, type Reply } from '#node/runtime/message-table.ts';
import { RuntimeError, type RuntimeErrorCode } from '#node/runtime/runtime-error.ts';
import { type CriCall, criCalls, criEnums, criMessages, eventMessages } from './cri-messages.ts';

export interface GrpcConnection {
  /** `timeoutMs` undefined: as long as it takes, or until the signal. */
  call(
    call: CriCall,
    request: object,
    limit?: { timeoutMs?: number | undefined; signal?: AbortSignal | undefined },
  ): Promise<Reply>;
  /** containerd's events that pass one of the filters. */
  subscribe(filters: string[]): ClientReadableStream<object>;
  close(): void;
}

export function connectGrpc(socketPath: string, clock: Clock): GrpcConnection {
  const client = new Client(`unix:${socketPath}`, credentials.createInsecure(), {
    'grpc.max_receive_message_length': 64 * 1024 * 1024,
    // A containerd that restarts is back within 0.1 s.
    'grpc.initial_reconnect_backoff_ms': 50,
    'grpc.max_reconnect_backoff_ms': 1_000,
  });
  return {
    call: (call, request, { timeoutMs, signal } = {}) =>
      new Promise((resolve, reject) => {
        signal?.throwIfAborted();
        const { path, serialize, deserialize } = method(call);
        const options: CallOptions = timeoutMs === undefined ? {} : { deadline: clock.now() + timeoutMs };
        const asked = client.makeUnaryRequest(
          path,
          serialize,
          deserialize,
          request,
          options,
          (error: ServiceError | null, reply?: object) => {
            signal?.removeEventListener('abort', cancel);
            if (error) reject(runtimeError(error));
            else resolve(reply as Reply);
          },
        );
        const cancel = () => asked.cancel();
        signal?.addEventListener('abort', cancel, { once: true });
      }),
    subscribe: (filters) => {
      const { path, serialize, deserialize } = method('Subscribe');
      return client.makeServerStreamRequest(path, serialize, deserialize, { filters }, {});
    },
    close: () => client.close(),
  };
}

const CODES: Partial<Record<number, RuntimeErrorCode>> = {
  [status.NOT_FOUND]: 'NotFound',
  [status.DEADLINE_EXCEEDED]: 'DeadlineExceeded',
  [status.UNAVAILABLE]: 'Unavailable',
  [status.UNIMPLEMENTED]: 'Unimplemented',
  [status.INVALID_ARGUMENT]: 'InvalidArgument',
};

export const runtimeError = (error: ServiceError): RuntimeError =>
  new RuntimeError(CODES[error.code] ?? 'Unknown', error.details || error.message, error);

type Call = CriCall | 'Subscribe';

interface Method {
  path: string;
  serialize: Codec['serialize'];
  deserialize: Codec['deserialize'];
}

const made = new Map<Call, Method>();
let types: protobuf.Root | undefined;

/** Made when it is first called: a kubelet that starts needs few of them at once. */
function method(call: Call): Method {
  const there = made.get(call);
  if (there) return there;
  types ??= protobuf.Root.fromJSON({
    nested: {
      runtime: { nested: { v1: { nested: { ...enumsJson(criEnums), ...messagesJson(criMessages) } } } },
      containerd: {
        nested: { services: { nested: { events: { nested: { v1: { nested: messagesJson(eventMessages) } } } } } },
      },
    },
  });
  const { service, request, response } = namesOf(call);
  const { serialize } = codecOf(types.lookupType(request));
  const { deserialize } = codecOf(types.lookupType(response));
  const method: Method = { path: `/${service}/${call}`, serialize, deserialize };
  made.set(call, method);
  return method;
}

function namesOf(call: Call): { service: string; request: string; response: string } {
  if (call === 'Subscribe') {
    const scope = 'containerd.services.events.v1';
    return { service: `${scope}.Events`, request: `${scope}.SubscribeRequest`, response: `${scope}.Envelope` };
  }
  const service = (criCalls.ImageService as readonly CriCall[]).includes(call) ? 'ImageService' : 'RuntimeService';
  const message = `runtime.v1.${call}`;
  return { service: `runtime.v1.${service}`, request: `${message}Request`, response: `${message}Response` };
}
