/** A device plugin as its authors write them: announces itself, tells its devices, and hands out /dev/zero under other names. */
import { existsSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Client, credentials, Server, ServerCredentials, type ServerWritableStream } from '@grpc/grpc-js';
import { type DevicePluginCall, devicePluginCodecs } from '#node/runtime/devices/device-plugin-messages.ts';
import { unaryMethod } from '#node/runtime/message-table.ts';

interface SampleDevice {
  ID: string;
  health: 'Healthy' | 'Unhealthy';
  topology: { nodes: { ID: number }[] };
}

const KUBELET_SOCKET = 'kubelet.sock';

export class SampleDevicePlugin {
  readonly resourceName: string;
  readonly #folder: string;
  readonly #endpoint: string;
  readonly #streams = new Set<ServerWritableStream<object, object>>();
  #devices: SampleDevice[];
  #server: Server | undefined;
  readonly started: string[] = [];
  /** What the kubelet asked it to choose from, and what it chooses; undefined: it says that it does not choose. */
  readonly asked: { availableDeviceIDs: string[]; mustIncludeDeviceIDs: string[]; allocationSize: number }[] = [];
  prefers: string[] | undefined;

  constructor(
    folder: string,
    { resourceName, ids, numaNodes = [] }: { resourceName: string; ids: string[]; numaNodes?: number[] },
  ) {
    this.#folder = folder;
    this.resourceName = resourceName;
    this.#endpoint = `${resourceName.replace('/', '-')}.sock`;
    this.#devices = ids.map((ID, i) => {
      const node = numaNodes[i];
      return { ID, health: 'Healthy', topology: { nodes: node === undefined ? [] : [{ ID: node }] } };
    });
  }

  /** Its own socket, then the announcement. */
  async start(): Promise<void> {
    await rm(join(this.#folder, this.#endpoint), { force: true });
    const server = new Server();
    const names: DevicePluginCall[] = [
      'GetDevicePluginOptions',
      'ListAndWatch',
      'GetPreferredAllocation',
      'Allocate',
      'PreStartContainer',
    ];
    const methods = Object.fromEntries(names.map((name) => [name, methodOf(name)]));
    server.addService(methods, {
      GetDevicePluginOptions: (_call: unknown, answer: Answer) =>
        answer(null, { preStartRequired: true, getPreferredAllocationAvailable: this.prefers !== undefined }),
      GetPreferredAllocation: ({ request }: { request: PreferenceRequest }, answer: Answer) => {
        this.asked.push(...request.containerRequests);
        answer(null, { containerResponses: [{ deviceIDs: this.prefers ?? [] }] });
      },
      ListAndWatch: (stream: ServerWritableStream<object, object>) => {
        this.#streams.add(stream);
        stream.on('close', () => this.#streams.delete(stream));
        stream.write({ devices: this.#devices });
      },
      Allocate: ({ request }: { request: AllocateRequest }, answer: Answer) =>
        answer(null, { containerResponses: request.containerRequests.map(({ devicesIds }) => grantOf(devicesIds)) }),
      PreStartContainer: ({ request }: { request: { devicesIds: string[] } }, answer: Answer) => {
        this.started.push(...request.devicesIds);
        answer(null, {});
      },
    });
    await new Promise<void>((resolve, reject) => {
      const at = `unix:${join(this.#folder, this.#endpoint)}`;
      server.bindAsync(at, ServerCredentials.createInsecure(), (error) => (error ? reject(error) : resolve()));
    });
    this.#server = server;
    await this.register({});
  }

  register(changed: object): Promise<void> {
    const { path, request, response } = devicePluginCodecs('Register');
    const client = new Client(`unix:${join(this.#folder, KUBELET_SOCKET)}`, credentials.createInsecure());
    const announcement = { version: 'v1beta1', endpoint: this.#endpoint, resourceName: this.resourceName, ...changed };
    return new Promise<void>((resolve, reject) => {
      client.makeUnaryRequest(path, request.serialize, response.deserialize, announcement, (error) =>
        error ? reject(new Error(error.details)) : resolve(),
      );
    }).finally(() => client.close());
  }

  tell(ID: string, health: SampleDevice['health']): void {
    this.#devices = this.#devices.map((device) => (device.ID === ID ? { ...device, health } : device));
    for (const stream of this.#streams) stream.write({ devices: this.#devices });
  }

  stop(): void {
    this.#server?.forceShutdown();
  }

  /** Which kubelet's socket is there; another one means another kubelet. */
  kubeletSocket(): bigint | undefined {
    const path = join(this.#folder, KUBELET_SOCKET);
    return existsSync(path) ? statSync(path, { bigint: true }).ctimeNs : undefined; // inodes are used again
  }
}

interface PreferenceRequest {
  containerRequests: SampleDevicePlugin['asked'];
}
interface AllocateRequest {
  containerRequests: { devicesIds: string[] }[];
}
type Answer = (error: null, reply: object) => void;

const methodOf = (name: DevicePluginCall) => ({
  ...unaryMethod(devicePluginCodecs(name)),
  responseStream: name === 'ListAndWatch',
});

const grantOf = (ids: string[]): object => ({
  envs: { SAMPLE_DEVICES: ids.join(',') },
  devices: ids.map((id) => ({ containerPath: `/dev/${id}`, hostPath: '/dev/zero', permissions: 'rw' })),
  mounts: [{ containerPath: '/etc/sample', hostPath: '/etc/hostname', readOnly: true }],
  annotations: { 'example.com/devices': ids.join(',') },
  cdiDevices: ids.map((id) => ({ name: `example.com/sample=${id}` })),
});
