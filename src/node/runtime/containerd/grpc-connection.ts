/** gRPC over containerd's unix socket: the calls of `cri-messages.ts`, with errors as RuntimeError. */
import {
  type CallOptions,
  Client,
  type ClientReadableStream,
  credentials,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { fromJSON, type MethodDefinition, type PackageDefinition } from '@grpc/proto-loader';
import type { Clock } from '#base/clock.ts';
import { RuntimeError, type RuntimeErrorCode } from '#node/runtime/runtime.ts';
import { type CriCall, criCalls, criEnums, criMessages, eventMessages } from './cri-messages.ts';

type Definition = MethodDefinition<object, object>;
type Json = Parameters<typeof fromJSON>[0];

/** A reply as proto-loader gives it: 64-bit integers as strings, enums by name, absent messages null. */
export type Reply = Record<string, unknown>;

export interface GrpcConnection {
  /** `timeoutMs` undefined: as long as it takes. */
  call(call: CriCall, request: object, timeoutMs?: number): Promise<Reply>;
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
    call: (call, request, timeoutMs) =>
      new Promise((resolve, reject) => {
        const method = methods.get(call)!;
        const options: CallOptions = timeoutMs === undefined ? {} : { deadline: clock.now() + timeoutMs };
        client.makeUnaryRequest(
          method.path,
          method.requestSerialize,
          method.responseDeserialize,
          request,
          options,
          (error: ServiceError | null, reply?: object) =>
            error ? reject(runtimeError(error)) : resolve(reply as Reply),
        );
      }),
    subscribe: (filters) => {
      const method = methods.get('Subscribe')!;
      return client.makeServerStreamRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        { filters },
        {},
      );
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

const loaded = fromJSON(
  {
    nested: {
      runtime: { nested: { v1: { nested: { ...enumsJson(), ...messagesJson(criMessages), ...servicesJson() } } } },
      containerd: { nested: { services: { nested: { events: { nested: { v1: { nested: eventsJson() } } } } } } },
    },
  } as Json,
  { longs: String, enums: String, defaults: true },
);
const methods = methodsOf(loaded);

function methodsOf(definition: PackageDefinition): Map<string, Definition> {
  const services = ['runtime.v1.RuntimeService', 'runtime.v1.ImageService', 'containerd.services.events.v1.Events'];
  return new Map(services.flatMap((name) => Object.entries(definition[name] as Record<string, Definition>)));
}

function enumsJson(): object {
  return Object.fromEntries(
    Object.entries(criEnums).map(([name, values]) => [
      name,
      { values: Object.fromEntries(values.map((value, number) => [value, number])) },
    ]),
  );
}

function messagesJson(messages: Record<string, string>): object {
  return Object.fromEntries(
    Object.entries(messages).map(([name, fields]) => [
      name,
      { fields: Object.fromEntries(fields.split(', ').filter(Boolean).map(fieldJson)) },
    ]),
  );
}

function fieldJson(text: string): [string, object] {
  const [name = '', type = '', number = ''] = text.split(' ');
  const id = Number(number);
  if (type === 'map') return [name, { keyType: 'string', type: 'string', id }];
  return [name, type.endsWith('*') ? { rule: 'repeated', type: type.slice(0, -1), id } : { type, id }];
}

function servicesJson(): object {
  return Object.fromEntries(
    Object.entries(criCalls).map(([service, calls]) => [
      service,
      {
        methods: Object.fromEntries(
          calls.map((call) => [call, { requestType: `${call}Request`, responseType: `${call}Response` }]),
        ),
      },
    ]),
  );
}

function eventsJson(): object {
  const Subscribe = { requestType: 'SubscribeRequest', responseType: 'Envelope', responseStream: true };
  return { ...messagesJson(eventMessages), Events: { methods: { Subscribe } } };
}
