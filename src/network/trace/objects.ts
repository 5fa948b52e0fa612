/** How objects are called in a trace, and what of them it reads again and again. */
import type { Pod } from '#api/generated/schema.ts';
import { type KubeObject, keyOf } from '#api/machinery/object.ts';

export const addressesOf = ({ status }: Pod): string[] => {
  const all = (status?.podIPs ?? []).flatMap(({ ip }) => ip || []);
  return all.length > 0 ? all : status?.podIP ? [status.podIP] : [];
};

export const labelsText = (labels: Readonly<Record<string, string>> | undefined): string =>
  Object.entries(labels ?? {})
    .map(([name, value]) => `${name}=${value}`)
    .join(',');

/** `Service shop/web`. */
export const named = (kind: string, object: KubeObject): string => `${kind} ${keyOf(object)}`;
