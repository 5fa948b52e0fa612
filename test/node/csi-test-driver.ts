/** A small CSI driver, as one would run beside a kubelet: volumes are folders, staging and publishing are bind mounts. */
import { execFile } from 'node:child_process';
import { mkdir, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Server, ServerCredentials, type sendUnaryData, type ServerUnaryCall, status } from '@grpc/grpc-js';
import { csiCodecs } from '#node/runtime/csi/csi-codecs.ts';
import type { CsiCall } from '#node/runtime/csi/csi-messages.ts';
import { type Reply, unaryMethod } from '#node/runtime/message-table.ts';

const run = promisify(execFile);

export interface CsiTestDriver {
  /** Every call of the Node service, in order: its name and its request. */
  calls: { name: CsiCall; request: Reply }[];
  /** What the kubelet said of the registration. */
  told: Reply[];
  /** The next call of this name fails so. */
  failNext(name: CsiCall, code: status, details: string): void;
  close(): Promise<void>;
}

export interface CsiTestDriverOptions {
  name: string;
  /** The kubelet's folder. */
  root: string;
  /** Where the volumes are. */
  backing: string;
  capabilities?: readonly string[];
  maxVolumes?: number;
  /** What volumes are that are wanted as devices. */
  device?: string;
  versions?: readonly string[];
}

export async function startCsiTestDriver(options: CsiTestDriverOptions): Promise<CsiTestDriver> {
  const { name, root, backing, capabilities = ['STAGE_UNSTAGE_VOLUME', 'EXPAND_VOLUME'] } = options;
  const calls: CsiTestDriver['calls'] = [];
  const told: Reply[] = [];
  const failures = new Map<CsiCall, { code: status; details: string }>();
  const endpoint = join(root, `${name}.sock`);
  const text = (request: Reply, field: string) => String(request[field]);
  const bind = async (source: string, target: string) => {
    await mkdir(source, { recursive: true });
    await mkdir(target, { recursive: true });
    await run('mount', ['-o', 'bind', source, target]); // as busybox knows it, too
  };
  const isBlock = (request: Reply) => (request['volumeCapability'] as { block?: object | null })?.block != null;
  const bindDevice = async (target: string) => {
    await writeFile(target, '');
    await run('mount', ['-o', 'bind', options.device ?? '', target]);
  };
  const unbind = async (target: string) => {
    await run('umount', [target]).catch(() => undefined); // a second call finds nothing
    await rm(target, { recursive: false }).catch(() => rmdir(target).catch(() => undefined));
  };
  const node: Partial<Record<CsiCall, (request: Reply) => Promise<object>>> = {
    NodeGetInfo: async () => ({
      nodeId: `${name}-node`,
      maxVolumesPerNode: options.maxVolumes ?? 0,
      accessibleTopology: { segments: { [`topology.${name}/zone`]: 'a' } },
    }),
    NodeGetCapabilities: async () => ({ capabilities: capabilities.map((type) => ({ rpc: { type } })) }),
    NodeStageVolume: async (request) => {
      if (!isBlock(request)) await bind(join(backing, text(request, 'volumeId')), text(request, 'stagingTargetPath'));
      return {};
    },
    NodeUnstageVolume: async (request) => {
      await unbind(text(request, 'stagingTargetPath'));
      return {};
    },
    NodePublishVolume: async (request) => {
      const staged = text(request, 'stagingTargetPath');
      if (isBlock(request)) {
        await bindDevice(text(request, 'targetPath'));
        return {};
      }
      await bind(staged || join(backing, text(request, 'volumeId')), text(request, 'targetPath'));
      return {};
    },
    NodeUnpublishVolume: async (request) => {
      await unbind(text(request, 'targetPath'));
      return {};
    },
    NodeGetVolumeStats: async () => ({
      usage: [
        { unit: 'BYTES', total: 4096, available: 1024, used: 3072 },
        { unit: 'INODES', total: 10, available: 7, used: 3 },
      ],
    }),
    NodeExpandVolume: async (request) => ({
      capacityBytes: (request['capacityRange'] as { requiredBytes: string }).requiredBytes,
    }),
  };
  const service = (handlers: typeof node, seen: (call: CsiCall, request: Reply) => void) => {
    const server = new Server();
    const names = Object.keys(handlers) as CsiCall[];
    const definition = Object.fromEntries(names.map((call) => [call, unaryMethod(csiCodecs(call))]));
    const implementation = Object.fromEntries(
      names.map((call) => [
        call,
        (unary: ServerUnaryCall<Reply, object>, done: sendUnaryData<object>) => {
          seen(call, unary.request);
          const failure = failures.get(call);
          failures.delete(call);
          if (failure) return done(failure);
          handlers[call]?.(unary.request).then(
            (answer) => done(null, answer),
            (error: Error) => done({ code: status.INTERNAL, details: error.message }),
          );
        },
      ]),
    );
    server.addService(definition, implementation);
    return server;
  };
  const listen = (server: Server, path: string) =>
    new Promise<void>((resolve, reject) => {
      server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) =>
        error ? reject(error) : resolve(),
      );
    });
  const plugin = service(node, (call, request) => calls.push({ name: call, request }));
  const registrar = service(
    {
      GetInfo: async () => ({
        type: 'CSIPlugin',
        name,
        endpoint,
        supportedVersions: options.versions ?? ['1.0.0'],
      }),
      NotifyRegistrationStatus: async () => ({}),
    },
    (call, request) => {
      if (call === 'NotifyRegistrationStatus') told.push(request);
    },
  );
  await listen(plugin, endpoint);
  await mkdir(join(root, 'plugins_registry'), { recursive: true });
  await listen(registrar, join(root, 'plugins_registry', `${name}-reg.sock`));
  return {
    calls,
    told,
    failNext: (call, code, details) => failures.set(call, { code, details }),
    async close() {
      registrar.forceShutdown();
      plugin.forceShutdown();
      await rm(join(root, 'plugins_registry', `${name}-reg.sock`), { force: true });
      await rm(endpoint, { force: true });
    },
  };
}
