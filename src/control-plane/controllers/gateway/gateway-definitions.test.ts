/** The kinds of Gateways come with their definitions, and may go and come back. */
import { expect, test } from 'vitest';
import { CustomResourceDefinition } from '#api/apiextensions/v1/custom-resource-definition.ts';
import { gatewayDefinitions } from '#api/gateway/v1/definitions.ts';
import { Gateway } from '#api/gateway/v1/gateway.ts';
import { GatewayClass } from '#api/gateway/v1/gateway-class.ts';
import { startCluster } from '#testing/cluster.ts';
import { garbageCollector } from '../garbage-collector/garbage-collector.ts';
import { gatewayControllers } from './gateway-controllers.ts';

const CONTROLLER = 'example.com/gateway';

test('statuses go on when the definitions were deleted and have come back', async () => {
  const ours = gatewayControllers({ controllerName: CONTROLLER, addresses: ['192.0.2.1'] });
  await using cluster = await startCluster({ controllers: [...ours, garbageCollector], scheduler: false });
  const serve = async () => {
    for (const definition of gatewayDefinitions) await cluster.create(CustomResourceDefinition, definition);
    await cluster.clock.advance('2m'); // whoever waits for a kind looks again now and then
    await cluster.create(GatewayClass, {
      metadata: { name: 'ours' },
      spec: { controllerName: CONTROLLER },
    } as never);
    await cluster.create(Gateway, {
      metadata: { name: 'web', namespace: 'default' },
      spec: { gatewayClassName: 'ours', listeners: [{ name: 'http', port: 80, protocol: 'HTTP' }] },
    } as never);
    await cluster.settles();
    return cluster.client.get(Gateway, { name: 'web', namespace: 'default' });
  };
  expect((await serve()).status?.addresses).toEqual([{ type: 'IPAddress', value: '192.0.2.1' }]);
  for (const { metadata } of gatewayDefinitions)
    await cluster.client.delete(CustomResourceDefinition, { name: metadata.name });
  await cluster.clock.advance('2m');
  expect((await serve()).status?.addresses).toEqual([{ type: 'IPAddress', value: '192.0.2.1' }]);
});
