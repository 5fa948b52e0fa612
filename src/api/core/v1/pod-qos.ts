/** How a pod is treated when its node runs out. Source: "Pod Quality of Service Classes". */
import type { Pod } from '#api/generated/schema.ts';
import { compareQuantities } from '#api/machinery/quantity.ts';

export type QosClass = 'BestEffort' | 'Burstable' | 'Guaranteed';

const COMPUTE = ['cpu', 'memory'] as const;

/** What the spec says; `status.qosClass` holds what was decided when the pod was made. */
export function qosClassOf({ spec }: Pick<Pod, 'spec'>): QosClass {
  const resources = spec.resources
    ? [spec.resources]
    : [...(spec.initContainers ?? []), ...spec.containers].map((container) => container.resources ?? {});
  const asks = (amount: string | undefined) => compareQuantities(amount, '0') > 0;
  const anything = resources.some(({ requests, limits }) =>
    COMPUTE.some((name) => asks(requests?.[name]) || asks(limits?.[name])),
  );
  if (!anything) return 'BestEffort';
  const guaranteed = resources.every(({ requests, limits }) =>
    COMPUTE.every(
      (name) => asks(limits?.[name]) && compareQuantities(requests?.[name] ?? limits?.[name], limits?.[name]) === 0,
    ),
  );
  return guaranteed ? 'Guaranteed' : 'Burstable';
}
