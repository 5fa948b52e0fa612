/** A device plugin behind its socket, and the socket at which plugins announce themselves. Source: "Device Plugins". */
import { Client, credentials, status } from '@grpc/grpc-js';
import type { Clock } from '#base/clock.ts';
import type { Reply } from '#node/runtime/message-table.ts';
import { type DevicePluginCall, devicePluginCodecs } from './device-plugin-messages.ts';
import { serveUnary, type UnaryServer } from './unary-server.ts';

export interface Device {
  id: string;
  isHealthy: boolean;
  /** Of the machine's memory that it is near to; empty where its plugin does not say. */
  numaNodes: number[];
}

/** What a container needs in order to use its devices. */
export interface DeviceGrant {
  envs: Record<string, string>;
  mounts: { containerPath: string; hostPath: string; readOnly: boolean }[];
  devices: { containerPath: string; hostPath: string; permissions: string }[];
  annotations: Record<string, string>;
  /** By their full names: `vendor.com/class=name`. What they are the runtime knows. */
  cdiDevices: string[];
}

export interface DevicePlugin {
  /** Whether `preStart` is to be called before a container begins. */
  options(): Promise<{ preStartRequired: boolean; hasPreference: boolean }>;
  /** Which of those that are free it would give away together. `already`: those of them that the container is to have anyway. */
  preferred(wish: { available: readonly string[]; already: readonly string[]; count: number }): Promise<string[]>;
  /** All devices, again whenever something about them changes. Throws when the plugin goes. */
  watch(signal: AbortSignal): AsyncIterable<Device[]>;
  allocate(ids: readonly string[]): Promise<DeviceGrant>;
  preStart(ids: readonly string[]): Promise<void>;
  close(): void;
}

/** The plugin said no, or is not there. */
export class DevicePluginFailed extends Error {}

interface ToldDevice {
  ID: string;
  health: string;
  topology?: { nodes?: { ID: number | string }[] };
}
type ToldGrant = Omit<DeviceGrant, 'cdiDevices'> & { cdiDevices: { name: string }[] };

const DEADLINE_MS = 30_000;
const MOST_BYTES = 16 * 1024 * 1024;

export function connectDevicePlugin(socketPath: string, clock: Clock): DevicePlugin {
  const client = new Client(`unix:${socketPath}`, credentials.createInsecure(), {
    'grpc.max_receive_message_length': MOST_BYTES,
  });
  const call = (name: DevicePluginCall, message: object): Promise<Reply> => {
    const { path, request, response } = devicePluginCodecs(name);
    const options = { deadline: clock.now() + DEADLINE_MS };
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        path,
        request.serialize,
        response.deserialize,
        message,
        options,
        (error, reply?: Reply) =>
          error
            ? reject(new DevicePluginFailed(error.details || error.message, { cause: error }))
            : resolve(reply ?? {}),
      );
    });
  };
  return {
    async options() {
      const reply = await call('GetDevicePluginOptions', {});
      return {
        preStartRequired: reply['preStartRequired'] === true,
        hasPreference: reply['getPreferredAllocationAvailable'] === true,
      };
    },
    async preferred({ available, already, count }) {
      const request = { availableDeviceIDs: available, mustIncludeDeviceIDs: already, allocationSize: count };
      const reply = await call('GetPreferredAllocation', { containerRequests: [request] });
      const [answer] = (reply['containerResponses'] as { deviceIDs?: string[] }[] | undefined) ?? [];
      return answer?.deviceIDs ?? [];
    },
    async *watch(signal) {
      const { path, request, response } = devicePluginCodecs('ListAndWatch');
      const stream = client.makeServerStreamRequest(path, request.serialize, response.deserialize, {});
      const stop = () => stream.cancel();
      signal.addEventListener('abort', stop, { once: true });
      try {
        for await (const reply of stream as AsyncIterable<{ devices?: ToldDevice[] }>)
          yield (reply.devices ?? []).map(({ ID, health, topology }) => ({
            id: ID,
            isHealthy: health === 'Healthy',
            numaNodes: (topology?.nodes ?? []).map((node) => Number(node.ID)),
          }));
      } catch (error) {
        throw new DevicePluginFailed((error as Error).message, { cause: error });
      } finally {
        signal.removeEventListener('abort', stop);
        stream.cancel();
      }
    },
    async allocate(ids) {
      const reply = await call('Allocate', { containerRequests: [{ devicesIds: [...ids] }] });
      const [grant] = (reply['containerResponses'] as Partial<ToldGrant>[] | undefined) ?? [];
      if (!grant) throw new DevicePluginFailed('no containers in the answer to Allocate');
      const { envs = {}, mounts = [], devices = [], annotations = {}, cdiDevices = [] } = grant;
      return { envs, mounts, devices, annotations, cdiDevices: cdiDevices.map(({ name }) => name) };
    },
    async preStart(ids) {
      await call('PreStartContainer', { devicesIds: [...ids] });
    },
    close: () => client.close(),
  };
}

export interface Announcement {
  version: string;
  /** The name of the plugin's socket, beside the one at which it announced itself. */
  endpoint: string;
  resourceName: string;
}

/** @param accept throws what the plugin is told */
export const serveRegistration = (
  socketPath: string,
  accept: (announcement: Announcement) => void,
): Promise<UnaryServer> =>
  serveUnary(socketPath, {
    Register: {
      codecs: devicePluginCodecs('Register'),
      answer(given, answer) {
        try {
          accept(given as unknown as Announcement);
          answer(null, {});
        } catch (error) {
          answer({ code: status.UNKNOWN, details: (error as Error).message });
        }
      },
    },
  });
