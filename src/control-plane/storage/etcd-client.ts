/** Calls to an etcd cluster: one connection a member, the next member when one does not answer. */
import { Client, type ClientDuplexStream, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import type { Clock } from '#base/clock.ts';
import { StorageUnreachable } from './errors.ts';
import { etcdMethods, type Method, type WatchRequest, type WatchResponse } from './etcd-api.ts';

export interface EtcdConnection {
  /** `https://10.0.0.1:2379`, one for each member. */
  endpoints: readonly string[];
  /** PEM. Needed by https endpoints. */
  tls?: { ca: Buffer; cert: Buffer; key: Buffer };
  clock: Clock;
}

const CALL_TIMEOUT_MS = 5000;

export class EtcdClient {
  readonly #clock: Clock;
  readonly #members: readonly Client[];
  readonly methods = etcdMethods();
  #active = 0;

  constructor({ endpoints, tls, clock }: EtcdConnection) {
    if (endpoints.length === 0) throw new Error('no etcd endpoint is given');
    this.#clock = clock;
    this.#members = endpoints.map((endpoint) => connect(endpoint, tls));
  }

  /**
   * Tries every member in turn, unless `once`: then a call that may have taken effect is not made again.
   * @throws StorageUnreachable, or the error of the server as it is (a gRPC ServiceError)
   */
  async call<Request extends object, Response extends object>(
    method: Method<Request, Response>,
    request: Request,
    { once = false } = {},
  ): Promise<Response> {
    for (let left = once ? 1 : this.#members.length; ; ) {
      const member = this.#active;
      try {
        return await this.#callMember(this.#members[member]!, method, request);
      } catch (error) {
        if (!isOutOfReach(error)) throw error;
        this.#giveUpOn(member);
        if (--left === 0) throw new StorageUnreachable('no etcd member answers', { cause: error });
      }
    }
  }

  /** A stream of the member in use now. When it ends with an error the next one is tried by the next call. */
  watch(request: WatchRequest): ClientDuplexStream<WatchRequest, WatchResponse> {
    const member = this.#active;
    const { path, requestSerialize, responseDeserialize } = this.methods.watch;
    const stream = this.#members[member]!.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    stream.on('error', (error) => {
      if (isOutOfReach(error)) this.#giveUpOn(member);
    });
    stream.write(request);
    return stream;
  }

  close(): void {
    for (const member of this.#members) member.close();
  }

  #giveUpOn(member: number): void {
    if (this.#active === member) this.#active = (member + 1) % this.#members.length;
  }

  #callMember<Request extends object, Response extends object>(
    member: Client,
    { path, requestSerialize, responseDeserialize }: Method<Request, Response>,
    request: Request,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      const answered = (error: ServiceError | null, response?: Response) => {
        timer.cancel();
        if (error) reject(error);
        else resolve(response as Response);
      };
      const metadata = new Metadata();
      const call = member.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, metadata, answered);
      const timer = this.#clock.timer(CALL_TIMEOUT_MS, () => call.cancel());
    });
  }
}

function connect(endpoint: string, tls: EtcdConnection['tls']): Client {
  const { protocol, host } = new URL(endpoint.includes('://') ? endpoint : `http://${endpoint}`);
  const secure = protocol === 'https:';
  const channel = secure ? credentials.createSsl(tls?.ca, tls?.key, tls?.cert) : credentials.createInsecure();
  return new Client(host, channel, {
    'grpc.max_receive_message_length': -1, // a range of 2,000 pods is larger than the default of 4 MB
    'grpc.max_send_message_length': -1,
    'grpc.keepalive_time_ms': 30_000,
    'grpc.max_reconnect_backoff_ms': 2000,
  });
}

/** CANCELLED: it took too long and we hung up. */
const OUT_OF_REACH: readonly number[] = [status.UNAVAILABLE, status.CANCELLED, status.DEADLINE_EXCEEDED];
const isOutOfReach = (error: unknown): boolean => OUT_OF_REACH.includes((error as ServiceError).code);
