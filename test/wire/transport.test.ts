/** One suite, both transports. */
import { Namespace } from '#api/core/v1/namespace.ts';
import { Client } from '#client/client.ts';
import { startCluster } from '#testing/cluster.ts';
import { startHttpsApiServer } from '../integration/https-api-server.ts';
import { transportConformance } from './transport-conformance.ts';

transportConformance('in the process', () => startCluster({ rbac: true }));

transportConformance('over TLS', async () => {
  const server = await startHttpsApiServer();
  const client = new Client(server.transportFor({ name: 'admin', groups: ['system:masters'] }));
  await client.get(Namespace, { name: 'default' });
  return server;
});
