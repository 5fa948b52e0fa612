/** Calls to a plugin of this machine that listens on a Unix socket: for keys, for signatures. Speaks gRPC. */
import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import type { MethodDefinition } from '@grpc/proto-loader';
import type { Clock } from '#base/clock.ts';

export interface PluginEndpoint {
  /** `unix:///var/run/kms.sock` or a path; `unix://@name` or `@name` for a socket without a file. */
  endpoint: string;
  clock: Clock;
}

export interface CallTerms {
  timeoutMs: number;
  /** Also while nobody listens there yet; else that is an error at once. */
  waits?: boolean;
}

export interface PluginSocket {
  /** Throws what the plugin says, in Go's words. */
  call<Request extends object, Response extends object>(
    method: MethodDefinition<Request, Response>,
    request: Request,
    terms: CallTerms,
  ): Promise<Response>;
  close(): void;
}

/** Keys, seeds and tokens are small. */
const MAX_MESSAGE_BYTES = 1024 * 1024;

export function connectPlugin({ endpoint, clock }: PluginEndpoint): PluginSocket {
  const client = new Client(addressOf(endpoint), credentials.createInsecure(), {
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    'grpc.initial_reconnect_backoff_ms': 50,
    'grpc.max_reconnect_backoff_ms': 1_000,
    'grpc.enable_http_proxy': 0,
    'grpc.default_authority': 'localhost',
  });
  return {
    call: <Request extends object, Response extends object>(
      { path, requestSerialize, responseDeserialize }: MethodDefinition<Request, Response>,
      request: Request,
      { timeoutMs, waits = false }: CallTerms,
    ): Promise<Response> =>
      new Promise((resolve, reject) => {
        const answered = (error: ServiceError | null, response?: Response) =>
          error ? reject(failureOf(error)) : resolve(response as Response);
        const metadata = new Metadata({ waitForReady: waits });
        const options = { deadline: clock.now() + timeoutMs };
        client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, metadata, options, answered);
      }),
    close: () => client.close(),
  };
}

/** gRPC's own form: a path, or `unix-abstract:` for one that begins with @. */
function addressOf(endpoint: string): string {
  const path = endpoint.replace(/^unix:(?:\/\/)?/, '');
  return path.startsWith('@') || path.startsWith('/@') ? `unix-abstract:${path.replace(/^\/?@/, '')}` : `unix:${path}`;
}

/** As Go prints it: `rpc error: code = Unavailable desc = …`. */
export class CallFailed extends Error {
  /** gRPC's, as Go calls them: `DeadlineExceeded`. */
  readonly code: string;

  constructor(code: string, why: string) {
    super(`rpc error: code = ${code} desc = ${why}`);
    this.code = code;
  }
}

function failureOf({ code, details, message }: ServiceError): CallFailed {
  const name = (status[code] ?? 'UNKNOWN')
    .split('_')
    .map((part) => part.charAt(0) + part.slice(1).toLowerCase())
    .join('');
  return new CallFailed(name === 'Cancelled' ? 'Canceled' : name, details || message);
}
