/** The part of a driver of ResourceClaims that runs on a node, behind its socket. Source: KEP-4381; deadlines are upstream's. */
import { Client, connectivityState, credentials, type ServiceError } from '@grpc/grpc-js';
import type { Clock } from '#base/clock.ts';
import { failureOf } from '#node/runtime/csi/connect-driver.ts';
import type { Reply } from '#node/runtime/message-table.ts';
import { healthCodecs } from './dra-health-messages.ts';
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

export interface DeviceHealth {
  poolName: string;
  deviceName: string;
  health: 'Healthy' | 'Unhealthy' | 'Unknown';
  message: string;
  /** 0 or less: as long as the kubelet thinks. */
  countsForSeconds: number;
}

/** Both calls are idempotent, answer by the claims' uids, and throw DriverFailed. */
export interface DraPlugin {
  prepare(claims: readonly ClaimName[]): Promise<Map<string, PrepareResult>>;
  unprepare(claims: readonly ClaimName[]): Promise<Map<string, UnprepareResult>>;
  /** All its devices, again and again. Throws DriverFailed: `Unimplemented` where it has nothing to say of them. */
  watchHealth(signal: AbortSignal): AsyncIterable<DeviceHealth[]>;
  /** Connects, and again whenever the connection is lost. */
  followConnection(onChange: (isConnected: boolean) => void): void;
  close(): void;
}

/** A call that has been answered: its full name, `OK` or what it failed with, and how long it took. */
export type OnDraCall = (call: { method: string; code: string; ms: number }) => void;

const DEADLINE_MS = 45_000;
const MOST_BYTES = 4 * 1024 * 1024;

export function connectDraPlugin(
  socketPath: string,
  service: DraService,
  { clock, onCall }: { clock: Clock; onCall: OnDraCall },
): DraPlugin {
  const client = new Client(`unix:${socketPath}`, credentials.createInsecure(), {
    'grpc.max_receive_message_length': MOST_BYTES,
    'grpc.initial_reconnect_backoff_ms': 50,
    'grpc.max_reconnect_backoff_ms': 1_000,
  });
  const call = <T>(name: DraCall, claims: readonly ClaimName[]): Promise<Map<string, T>> => {
    const { path, request, response } = draCodecs(service, name);
    const options = { deadline: clock.now() + DEADLINE_MS };
    const began = clock.monotonicMs();
    return new Promise((resolve, reject) => {
      const answered = (error: ServiceError | null, reply?: Reply) => {
        const failure = error && failureOf(error);
        onCall({ method: path, code: failure?.code ?? 'OK', ms: clock.monotonicMs() - began });
        if (failure) reject(failure);
        else resolve(new Map(Object.entries((reply?.['claims'] ?? {}) as object)));
      };
      client.makeUnaryRequest(path, request.serialize, response.deserialize, { claims }, options, answered);
    });
  };
  return {
    prepare: (claims) => call('NodePrepareResources', claims),
    unprepare: (claims) => call('NodeUnprepareResources', claims),
    watchHealth: (signal) => watchHealth(client, signal),
    followConnection: (onChange) => followConnection(client, onChange),
    close: () => client.close(),
  };
}

interface ToldHealth {
  device: { poolName: string; deviceName: string } | null;
  health: 'UNKNOWN' | 'HEALTHY' | 'UNHEALTHY';
  healthCheckTimeoutSeconds: string;
  message: string;
}

const HEALTHS = { UNKNOWN: 'Unknown', HEALTHY: 'Healthy', UNHEALTHY: 'Unhealthy' } as const;

async function* watchHealth(client: Client, signal: AbortSignal): AsyncGenerator<DeviceHealth[]> {
  const { path, request, response } = healthCodecs();
  const stream = client.makeServerStreamRequest(path, request.serialize, response.deserialize, {});
  const stop = (): void => stream.cancel();
  signal.addEventListener('abort', stop, { once: true });
  try {
    for await (const { devices = [] } of stream as AsyncIterable<{ devices?: ToldHealth[] }>)
      yield devices.map(({ device, health, healthCheckTimeoutSeconds, message }) => ({
        poolName: device?.poolName ?? '',
        deviceName: device?.deviceName ?? '',
        health: HEALTHS[health] ?? 'Unknown',
        message,
        countsForSeconds: Number(healthCheckTimeoutSeconds),
      }));
  } catch (error) {
    throw failureOf(error as ServiceError);
  } finally {
    signal.removeEventListener('abort', stop);
    stream.cancel();
  }
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
