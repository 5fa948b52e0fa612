/** The part of a driver of ResourceClaims that runs on a node, behind its socket. Source: KEP-4381; deadlines are upstream's. */
import { Client, connectivityState, credentials, type ServiceError } from '@grpc/grpc-js';
import type { Clock } from '#base/clock.ts';
import { failureOf } from '#node/runtime/csi/connect-driver.ts';
import type { Reply } from '#node/runtime/message-table.ts';
import { type DraCall, type DraService, draCodecs } from './dra-messages.ts';

export interface ClaimName {
  namespace: string;
  name: string;
  uid: string;
}

export interface PreparedDevice {
  /** Of the claim; none: it is for all of them. */
  requestNames: string[];
  poolName: string;
  deviceName: string;
  /** `vendor.com/class=name`. What they are the runtime knows. */
  cdiDeviceIds: string[];
}

/** Of one claim; an empty `error` means that it went well. */
export interface PrepareResult {
  devices: PreparedDevice[];
  error: string;
}
export interface UnprepareResult {
  error: string;
}

/** Both calls are idempotent, answer by the claims' uids, and throw DriverFailed. */
export interface DraPlugin {
  prepare(claims: readonly ClaimName[]): Promise<Map<string, PrepareResult>>;
  unprepare(claims: readonly ClaimName[]): Promise<Map<string, UnprepareResult>>;
  /** Connects, and again whenever the connection is lost. */
  followConnection(onChange: (isConnected: boolean) => void): void;
  close(): void;
}

const DEADLINE_MS = 45_000;
const MOST_BYTES = 4 * 1024 * 1024;

export function connectDraPlugin(socketPath: string, service: DraService, clock: Clock): DraPlugin {
  const client = new Client(`unix:${socketPath}`, credentials.createInsecure(), {
    'grpc.max_receive_message_length': MOST_BYTES,
    'grpc.initial_reconnect_backoff_ms': 50,
    'grpc.max_reconnect_backoff_ms': 1_000,
  });
  const call = <T>(name: DraCall, claims: readonly ClaimName[]): Promise<Map<string, T>> => {
    const { path, request, response } = draCodecs(service, name);
    const options = { deadline: clock.now() + DEADLINE_MS };
    return new Promise((resolve, reject) => {
      const answered = (error: ServiceError | null, reply?: Reply) =>
        error ? reject(failureOf(error)) : resolve(new Map(Object.entries((reply?.['claims'] ?? {}) as object)));
      client.makeUnaryRequest(path, request.serialize, response.deserialize, { claims }, options, answered);
    });
  };
  return {
    prepare: (claims) => call('NodePrepareResources', claims),
    unprepare: (claims) => call('NodeUnprepareResources', claims),
    followConnection: (onChange) => followConnection(client, onChange),
    close: () => client.close(),
  };
}

function followConnection(client: Client, onChange: (isConnected: boolean) => void): void {
  const channel = client.getChannel();
  const look = (): void => {
    channel.getConnectivityState(true); // begins to connect where it does not already
    const state = channel.getConnectivityState(false);
    if (state === connectivityState.SHUTDOWN) return;
    channel.watchConnectivityState(state, Number.POSITIVE_INFINITY, look);
    onChange(state === connectivityState.READY);
  };
  look();
}
