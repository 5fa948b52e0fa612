/** The Gateway API out of the box: its kinds and a class. What carries the traffic are processes of the nodes. */
import { CustomResourceDefinition } from '#api/apiextensions/v1/custom-resource-definition.ts';
import { gatewayDefinitions } from '#api/gateway/v1/definitions.ts';
import { GatewayClass } from '#api/gateway/v1/gateway-class.ts';
import { GATEWAY_CLASS, GATEWAY_CONTROLLER } from '#api/gateway/v1/kedge-gateway.ts';
import { hasReason } from '#api/machinery/status.ts';
import { type Clock, sleep } from '#base/clock.ts';
import type { Client } from '#client/client.ts';

const LOOK_AGAIN_MS = 100;

/**
 * What somebody has brought along, or changed, stays as it is: a newer bundle may have been put on top. Nobody's start waits for
 * it: the rules of a schema take time to be judged. Resolves when the class is there, which its kind must be served for.
 */
export async function ensureGatewayApi(
  client: Client,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<void> {
  for (const definition of gatewayDefinitions) {
    const isThere = await client
      .get(CustomResourceDefinition, { name: definition.metadata.name })
      .then(yes, unlessMissing);
    if (!isThere && !signal.aborted) await client.create(CustomResourceDefinition, definition).catch(unlessThere);
  }
  const draft = { metadata: { name: GATEWAY_CLASS }, spec: { controllerName: GATEWAY_CONTROLLER } };
  while (!signal.aborted) {
    const isServed = await client.create(GatewayClass, draft).then(yes, unlessMissing);
    if (isServed) return;
    await sleep(clock, LOOK_AGAIN_MS);
  }
}

/** Whether it is there: somebody else may have made it. */
function unlessMissing(error: unknown): boolean {
  if (hasReason(error, 'NotFound')) return false;
  unlessThere(error);
  return true;
}

const yes = () => true;

function unlessThere(error: unknown): void {
  if (!hasReason(error, 'AlreadyExists')) throw error;
}
