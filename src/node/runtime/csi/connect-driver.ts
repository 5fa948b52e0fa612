/** A CSI driver behind a socket. Source: CSI 1.9, Node service; deadlines are upstream's. */
import { type CallOptions, Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import type { Clock } from '#base/clock.ts';
import type { Reply } from '#node/runtime/message-table.ts';
import { csiCodecs } from './csi-codecs.ts';
import type { CsiCall } from './csi-messages.ts';
import { type DriverCapability, DriverFailed, type NodeDriver, type VolumeCapability } from './node-driver.ts';

const DEADLINE_MS = 120_000;
/** A volume's path on the host must fit in a message, and nothing else is large. */
const MOST_BYTES = 4 * 1024 * 1024;

export interface CsiSocket {
  call(name: CsiCall, request: object): Promise<Reply>;
  close(): void;
}

export function openCsiSocket(path: string, clock: Clock): CsiSocket {
  const client = new Client(`unix:${path}`, credentials.createInsecure(), {
    'grpc.max_receive_message_length': MOST_BYTES,
    'grpc.initial_reconnect_backoff_ms': 50,
    'grpc.max_reconnect_backoff_ms': 1_000,
  });
  return {
    call(name, message) {
      const { path: method, request, response } = csiCodecs(name);
      const options: CallOptions = { deadline: clock.now() + DEADLINE_MS };
      return new Promise((resolve, reject) => {
        client.makeUnaryRequest(
          method,
          request.serialize,
          response.deserialize,
          message,
          options,
          (error: ServiceError | null, reply?: Reply) => (error ? reject(failureOf(error)) : resolve(reply ?? {})),
        );
      });
    },
    close: () => client.close(),
  };
}

/** `INVALID_ARGUMENT` → `InvalidArgument`, as Go prints it. */
export function failureOf(error: ServiceError): DriverFailed {
  const name = status[error.code] ?? 'UNKNOWN';
  const code = name
    .split('_')
    .map((part) => part.charAt(0) + part.slice(1).toLowerCase())
    .join('');
  return new DriverFailed(code, error.details || error.message, error);
}

export function connectDriver(name: string, socketPath: string, clock: Clock): NodeDriver {
  const socket = openCsiSocket(socketPath, clock);
  const act = async (call: CsiCall, request: object): Promise<void> => {
    await socket.call(call, request);
  };
  return {
    name,
    async info() {
      const { nodeId, maxVolumesPerNode, accessibleTopology } = await socket.call('NodeGetInfo', {});
      const topology = (accessibleTopology as { segments?: Record<string, string> } | null)?.segments ?? {};
      return { nodeId: String(nodeId ?? ''), maxVolumes: Number(maxVolumesPerNode ?? 0), topology };
    },
    async capabilities() {
      const { capabilities = [] } = (await socket.call('NodeGetCapabilities', {})) as {
        capabilities?: { rpc: { type: DriverCapability } | null }[];
      };
      return new Set(capabilities.flatMap(({ rpc }) => (rpc ? [rpc.type] : [])));
    },
    stage: ({ stagingPath, capability, ...rest }) =>
      act('NodeStageVolume', { ...rest, stagingTargetPath: stagingPath, volumeCapability: messageOf(capability) }),
    unstage: ({ volumeId, stagingPath }) => act('NodeUnstageVolume', { volumeId, stagingTargetPath: stagingPath }),
    publish: ({ stagingPath, capability, readOnly, ...rest }) =>
      act('NodePublishVolume', {
        ...rest,
        stagingTargetPath: stagingPath,
        readonly: readOnly,
        volumeCapability: messageOf(capability),
      }),
    unpublish: (request) => act('NodeUnpublishVolume', request),
    expand: ({ volumeId, path, stagingPath, bytes, capability, secrets }) =>
      act('NodeExpandVolume', {
        volumeId,
        volumePath: path,
        stagingTargetPath: stagingPath,
        capacityRange: { requiredBytes: bytes },
        volumeCapability: messageOf(capability),
        secrets,
      }),
    async usage({ volumeId, path, stagingPath }) {
      const request = { volumeId, volumePath: path, stagingTargetPath: stagingPath };
      const { usage = [] } = (await socket.call('NodeGetVolumeStats', request)) as { usage?: Reply[] };
      return usage.map(({ unit, available, total, used }) => ({
        unit: unit === 'INODES' ? ('INODES' as const) : ('BYTES' as const),
        available: Number(available),
        total: Number(total),
        used: Number(used),
      }));
    },
    close: () => socket.close(),
  };
}

const messageOf = ({ accessMode, fsType, mountFlags, mountGroup, isBlock }: VolumeCapability): object => ({
  ...(isBlock
    ? { block: {} }
    : { mount: { fsType, mountFlags: [...mountFlags], ...(mountGroup && { volumeMountGroup: mountGroup }) } }),
  accessMode: { mode: accessMode },
});
