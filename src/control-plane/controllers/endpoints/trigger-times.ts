/** When what a Service's endpoints show has happened: for whoever measures how long it takes to be heeded. Source: endpointslice, trigger_time_tracker. */
import { conditionOf } from '#api/core/v1/pod-conditions.ts';
import type { Pod, Service } from '#api/generated/schema.ts';
import type { ObjectKey } from '#api/machinery/object.ts';
import { LAST_CHANGE } from './service-endpoints.ts';

interface Known {
  service: string;
  /** Since when each pod is ready or not, by name. */
  pods: ReadonlyMap<string, string>;
}

/** Times are as the API has them: they all are in UTC and of one length, and compare as texts. */
export class TriggerTimes {
  readonly #known = new Map<ObjectKey, Known>();

  /**
   * The earliest of the changes since the last call for this Service; undefined when there was none. Of one that is met for
   * the first time, its creation.
   */
  since(key: ObjectKey, { metadata }: Service, pods: readonly Pod[]): string | undefined {
    const before = this.#known.get(key);
    const created = metadata.creationTimestamp ?? '';
    const times = new Map<string, string>();
    let earliest: string | undefined;
    for (const pod of pods) {
      const at = conditionOf(pod, 'Ready')?.lastTransitionTime;
      if (!at) continue;
      const { name } = pod.metadata;
      times.set(name, at);
      if (at > (before?.pods.get(name) ?? '') && (earliest === undefined || at < earliest)) earliest = at;
    }
    if (created > (before?.service ?? '') && (earliest === undefined || created < earliest)) earliest = created;
    this.#known.set(key, { service: created, pods: times });
    return before ? earliest : created || undefined;
  }

  forget(key: ObjectKey): void {
    this.#known.delete(key);
  }
}

/** With the time, or without it when nothing has happened. */
export function withLastChange(
  annotations: Readonly<Record<string, string>> | undefined,
  at: string | undefined,
): Record<string, string> {
  const { [LAST_CHANGE]: _, ...others } = annotations ?? {};
  return { ...others, ...(at && { [LAST_CHANGE]: at }) };
}
