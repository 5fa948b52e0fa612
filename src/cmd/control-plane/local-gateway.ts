/** The Gateway API out of the box: its kinds and a class. What carries the traffic are processes of the nodes. */
import { CustomResourceDefinition } from '#api/apiextensions/v1/custom-resource-definition.ts';
import { gatewayDefinitions } from '#api/gateway/v1/definitions.ts';
import { GatewayClass } from '#api/gateway/v1/gateway-class.ts';
import { GATEWAY_CLASS, GATEWAY_CONTROLLER } from '#api/gateway/v1/kedge-gateway.ts';
import { hasReason } from '#api/machinery/status.ts';
import { type Clock, sleep } from '#base/clock.ts';
import type { Client } from '#client/client.ts';

/** What somebody has brought along, or changed, stays as it is: a newer bundle may have been put on top. */
export async function ensureGatewayApi(client: Client): Promise<void> {
  await Promise.all(
    gatewayDefinitions.map((definition) => client.create(CustomResourceDefinition, definition).catch(unlessThere)),
  );
}

const LOOK_AGAIN_MS = 100;

/** Waits until its kind is served. */
export async function ensureGatewayClass(
  client: Client,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<void> {
  const draft = { metadata: { name: GATEWAY_CLASS }, spec: { controllerName: GATEWAY_CONTROLLER } };
  while (!signal.aborted) {
    const isServed = await client.create(GatewayClass, draft).then(yes, (error: unknown) => {
      if (hasReason(error, 'NotFound')) return false;
      unlessThere(error);
      return true;
    });
    if (isServed) return;
    await sleep(clock, LOOK_AGAIN_MS);
  }
}
const yes = () => true;

function unlessThere(error: unknown): void {
  if (!hasReason(error, 'AlreadyExists')) throw error;
}
