/** Which class of its kind is the default: the youngest that says so, as several may; of equal age the first by name. */
import type { KubeObject } from '#api/machinery/object.ts';

export function youngestWith<T extends KubeObject>(
  classes: readonly T[],
  annotations: readonly string[],
): T | undefined {
  const defaults = classes.filter(({ metadata }) => annotations.some((key) => metadata.annotations?.[key] === 'true'));
  const [first] = defaults.sort(
    (a, b) =>
      Date.parse(b.metadata.creationTimestamp) - Date.parse(a.metadata.creationTimestamp) ||
      (a.metadata.name < b.metadata.name ? -1 : 1),
  );
  return first;
}
