/** The Gateway API out of the box: its kinds and a class. What carries the traffic are processes of the nodes. */
import { CustomResourceDefinition } from '#api/apiextensions/v1/custom-resource-definition.ts';
import { gatewayDefinitions } from '#api/gateway/v1/definitions.ts';
import { GatewayClass } from '#api/gateway/v1/gateway-class.ts';
import { GATEWAY_CLASS, GATEWAY_CONTROLLER } from '#api/gateway/v1/kedge-gateway.ts';
import { hasReason } from '#api/machinery/status.ts';
import { BackOff } from '#base/back-off.ts';
import { type Clock, sleep } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import type { Client } from '#client/client.ts';

const LOOK_AGAIN = { firstMs: 100, mostMs: 30_000 };
/** A kind is served moments after its definition came: what takes longer is told. */
const SOON_MS = 3_000;

/**
 * What somebody has brought along, or changed, stays as it is: a newer bundle may have been put on top. Nobody's start waits for
 * it: the rules of a schema take time to be judged. Resolves when the class is there, which its kind must be served for.
 */
export async function ensureGatewayApi(
  client: Client,
  { clock, random, log, signal }: { clock: Clock; random: Random; log: Log; signal: AbortSignal },
): Promise<void> {
  for (const definition of gatewayDefinitions) {
    const isThere = await client
      .get(CustomResourceDefinition, { name: definition.metadata.name })
      .then(yes, unlessMissing);
    if (!isThere && !signal.aborted) await client.create(CustomResourceDefinition, definition).catch(unlessThere);
  }
  const draft = { metadata: { name: GATEWAY_CLASS }, spec: { controllerName: GATEWAY_CONTROLLER } };
  const backOff = new BackOff(random, LOOK_AGAIN);
  while (!signal.aborted) {
    const isServed = await client.create(GatewayClass, draft).then(yes, unlessMissing);
    if (isServed) return;
    const waitMs = backOff.nextMs();
    const fields = { kind: GatewayClass.kind, version: GatewayClass.version, lookingAgainInMs: waitMs };
    if (waitMs >= SOON_MS) log.warn('Gateways are not served: their class waits for its kind', fields);
    await sleep(clock, waitMs, signal).catch(() => undefined); // aborted: the loop ends
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
