/** A key management plugin behind a Unix socket of this machine. Source: KEP-3299. */
import { randomUUID } from 'node:crypto';
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import type { MethodDefinition } from '@grpc/proto-loader';
import type { Clock } from '#base/clock.ts';
import { type Annotated, type Encrypted, type KmsStatus, kmsMethods } from './kms-api.ts';

export interface KmsPlugin {
  status(): Promise<KmsStatus>;
  encrypt(plaintext: Uint8Array): Promise<Encrypted>;
  decrypt(ciphertext: Uint8Array, annotated: Annotated): Promise<Uint8Array>;
  close(): void;
}

export interface KmsEndpoint {
  /** `unix:///var/run/kms.sock`, or `unix://@name` for a socket without a file. */
  endpoint: string;
  timeoutMs: number;
  clock: Clock;
}

/** Keys and seeds are small. */
const MAX_MESSAGE_BYTES = 1024 * 1024;

export function connectKmsPlugin({ endpoint, timeoutMs, clock }: KmsEndpoint): KmsPlugin {
  const methods = kmsMethods();
  const client = new Client(addressOf(endpoint), credentials.createInsecure(), {
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    'grpc.initial_reconnect_backoff_ms': 50,
    'grpc.max_reconnect_backoff_ms': 1_000,
    'grpc.enable_http_proxy': 0,
  });
  const call = <Request extends object, Response extends object>(
    { path, requestSerialize, responseDeserialize }: MethodDefinition<Request, Response>,
    request: Request,
  ): Promise<Response> =>
    new Promise((resolve, reject) => {
      const answered = (error: ServiceError | null, response?: Response) =>
        error ? reject(failureOf(error)) : resolve(response as Response);
      const options = { deadline: clock.now() + timeoutMs };
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, options, answered);
    });
  return {
    status: () => call(methods.status, {}),
    encrypt: (plaintext) => call(methods.encrypt, { plaintext, uid: randomUUID() }),
    async decrypt(ciphertext, annotated) {
      return (await call(methods.decrypt, { ciphertext, uid: randomUUID(), ...annotated })).plaintext;
    },
    close: () => client.close(),
  };
}

/** gRPC's own form: a path, or `unix-abstract:` for one that begins with @. */
function addressOf(endpoint: string): string {
  const path = endpoint.replace(/^unix:(?:\/\/)?/, '');
  return path.startsWith('@') || path.startsWith('/@') ? `unix-abstract:${path.replace(/^\/?@/, '')}` : `unix:${path}`;
}

/** As Go prints it: `rpc error: code = Unavailable desc = …`. */
function failureOf({ code, details, message }: ServiceError): Error {
  const name = (status[code] ?? 'UNKNOWN')
    .split('_')
    .map((part) => part.charAt(0) + part.slice(1).toLowerCase())
    .join('');
  return new Error(`rpc error: code = ${name} desc = ${details || message}`);
}
