/**
 * A whole control plane on the machine's clock inside the test, served over TLS: all controllers, the scheduler, and nodes
 * whose pods run on paper. What clients in other processes see of it is what they see of a cluster.
 */

import { bodies, catalog } from '#api/catalog.ts';
import { createKindRegistry } from '#api/machinery/kind-registry.ts';
import { silentLog } from '#base/log.ts';
import { seededRandom } from '#base/random.ts';
import { InProcessTransport } from '#client/transport/in-process.ts';
import type { UserInfo } from '#client/transport.ts';
import { ensureKubernetesService } from '#cmd/control-plane/kubernetes-service.ts';
import { systemClock } from '#cmd/system-clock.ts';
import { ensureBootstrapObjects } from '#control-plane/apiserver/authorization/ensure-bootstrap-objects.ts';
import { rulesOf } from '#control-plane/controllers/controller-roles.ts';
import { controllersFor } from '#control-plane/controllers/index.ts';
import { startControllers } from '#control-plane/controllers/start-controllers.ts';
import { startScheduler } from '#control-plane/scheduler/start-scheduler.ts';
import { startSimulatedNodes } from '#node/simulated/simulated-nodes.ts';
import { type HttpsApiServer, startHttpsApiServer } from '../integration/https-api-server.ts';

/** Two nodes, `node1` and `node2`. */
export async function startLiveCluster(): Promise<HttpsApiServer> {
  const server = await startHttpsApiServer();
  const { client } = server.api.loopback;
  const controllers = controllersFor({ rootCa: server.pki.caCertificate });
  await ensureBootstrapObjects(
    client,
    controllers.map((each) => ({ controller: each.serviceAccount, rules: rulesOf(each) })),
  );
  await ensureKubernetesService(client, {
    servers: [{ ip: '192.0.2.1', port: server.port }],
    clusterIps: ['10.96.0.1'],
  });
  const services = {
    transportFor: (user: UserInfo) => new InProcessTransport(server.api.pipeline, user),
    kinds: createKindRegistry(catalog, bodies),
    clock: systemClock,
    random: seededRandom(3),
    log: silentLog,
  };
  const running = startControllers({ controllers, ...services });
  const scheduler = startScheduler({ ...services, informers: running.informers, breathe: turnOfTheLoop });
  const nodes = await startSimulatedNodes({
    ...services,
    client,
    informers: running.informers,
    count: 2,
    namePrefix: 'node',
  });
  return {
    ...server,
    async [Symbol.asyncDispose]() {
      nodes.stop();
      scheduler.stop();
      running.stop();
      await server[Symbol.asyncDispose]();
    },
  };
}

const turnOfTheLoop = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
