/** Which of the runtime's handlers runs a pod: what its RuntimeClass names. Source: "Runtime Class". */
import { RuntimeClass } from '#api/node/v1/runtime-class.ts';
import type { Pod } from '#api/generated/schema.ts';
import { hasReason, StatusError } from '#api/machinery/status.ts';
import type { Client } from '#client/client.ts';

/** The message is what the event says behind `Failed to create pod sandbox: `. */
export class NoRuntimeClass extends Error {}

/** Empty: the runtime's default one. @throws NoRuntimeClass, or what says that the API server cannot be reached */
export async function runtimeHandlerOf({ spec }: Pod, client: Client): Promise<string> {
  const { runtimeClassName } = spec;
  if (!runtimeClassName) return '';
  try {
    return (await client.get(RuntimeClass, { name: runtimeClassName })).handler;
  } catch (error) {
    if (hasReason(error, 'NotFound'))
      throw new NoRuntimeClass(`runtimeclass.node.k8s.io ${JSON.stringify(runtimeClassName)} not found`);
    if (!(error instanceof StatusError)) throw error;
    throw new NoRuntimeClass(`failed to lookup RuntimeClass ${runtimeClassName}: ${error.message}`);
  }
}
