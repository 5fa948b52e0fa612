/** A small driver of ResourceClaims, as one would run beside a kubelet: its devices are names. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type sendUnaryData,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
} from '@grpc/grpc-js';
import { csiCodecs } from '#node/runtime/csi/csi-codecs.ts';
import { healthCodecs } from '#node/runtime/devices/dra-health-messages.ts';
import { type DraCall, type DraService, draCodecs } from '#node/runtime/devices/dra-messages.ts';
import type { ClaimName } from '#node/runtime/devices/dra-plugin.ts';
import type { Codec, Reply } from '#node/runtime/message-table.ts';

export interface DraTestDriver {
  /** Every call, in order: `NodePrepareResources shared`. */
  calls: string[];
  /** What the kubelet said of the registration. */
  told: Reply[];
  /** Why it does nothing for any claim; undefined: it does. */
  refusal: string | undefined;
  /** Says of its devices how well they are, to who listens. Throws unless it `knowsHealth`. */
  tell(healths: Record<string, { health: string; message?: string }>): void;
  close(): Promise<void>;
}

interface Method {
  codecs: { path: string; request: Codec; response: Codec };
  answer(request: Reply): object;
}

/** @param root the kubelet's folder */
export async function startDraTestDriver(options: {
  name: string;
  root: string;
  versions?: readonly string[];
  service?: DraService;
  /** Whether it can say how well its devices are. */
  knowsHealth?: boolean;
}): Promise<DraTestDriver> {
  const { name, root, versions = ['v1.DRAPlugin'], service = 'v1.DRAPlugin', knowsHealth = false } = options;
  const endpoint = join(root, `${name}.sock`);
  const registration = join(root, 'plugins_registry', `${name}-reg.sock`);
  const act = (call: DraCall): Method => ({
    codecs: draCodecs(service, call),
    answer({ claims }) {
      const asked = claims as ClaimName[];
      driver.calls.push(...asked.map((claim) => `${call} ${claim.name}`));
      return { claims: Object.fromEntries(asked.map((claim) => [claim.uid, resultOf(name, claim, driver.refusal)])) };
    },
  });
  const plugin = await serve(endpoint, [act('NodePrepareResources'), act('NodeUnprepareResources')]);
  const health = knowsHealth ? serveHealth(plugin) : undefined;
  const driver: DraTestDriver = {
    calls: [],
    told: [],
    refusal: undefined,
    tell(healths) {
      if (!health) throw new Error(`${name} says nothing of its devices`);
      health.tell(healths);
    },
    async close() {
      registrar.forceShutdown();
      plugin.forceShutdown();
      await rm(registration, { force: true });
      await rm(endpoint, { force: true });
    },
  };
  await mkdir(join(root, 'plugins_registry'), { recursive: true });
  const registrar = await serve(registration, [
    {
      codecs: csiCodecs('GetInfo'),
      answer: () => ({ type: 'DRAPlugin', name, endpoint, supportedVersions: versions }),
    },
    {
      codecs: csiCodecs('NotifyRegistrationStatus'),
      answer(request) {
        driver.told.push(request);
        return {};
      },
    },
  ]);
  return driver;
}

/** As long as it has said nothing, who listens hears nothing; then what was said last, and all that follows. */
function serveHealth(server: Server): Pick<DraTestDriver, 'tell'> {
  const { path, request, response } = healthCodecs();
  const listeners = new Set<ServerWritableStream<Reply, object>>();
  let last: object | undefined;
  const listen = (call: ServerWritableStream<Reply, object>): void => {
    listeners.add(call);
    call.on('cancelled', () => listeners.delete(call));
    if (last) call.write(last);
  };
  server.register(path, listen, response.serialize, request.deserialize, 'serverStream');
  return {
    tell(healths) {
      const devices = Object.entries(healths).map(([deviceName, said]) => ({
        device: { poolName: 'pool', deviceName },
        ...said,
      }));
      last = { devices };
      for (const listener of listeners) listener.write(last);
    },
  };
}

/** One device for the request `gpu`, and one for all. */
const resultOf = (driver: string, { name }: ClaimName, error: string | undefined): object =>
  error
    ? { error }
    : {
        devices: [
          { requestNames: ['gpu'], poolName: 'pool', deviceName: 'a', cdiDeviceIds: [`${driver}/gpu=${name}`] },
          { requestNames: [], poolName: 'pool', deviceName: 'b', cdiDeviceIds: [`${driver}/all=${name}`] },
        ],
      };

async function serve(path: string, methods: readonly Method[]): Promise<Server> {
  const server = new Server();
  for (const { codecs, answer } of methods)
    server.register(
      codecs.path,
      (call: ServerUnaryCall<Reply, object>, done: sendUnaryData<object>) => done(null, answer(call.request)),
      codecs.response.serialize,
      codecs.request.deserialize,
      'unary',
    );
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    );
  });
  return server;
}
