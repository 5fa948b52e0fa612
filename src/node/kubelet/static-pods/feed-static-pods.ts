/** Hands static pods to the workers. A changed file is another pod: it begins when the one before has ended. */
import type { Pod } from '#api/core/v1/pod.ts';
import { keyOf } from '#api/machinery/object.ts';
import { isStatic } from './static-pod.ts';

export interface Workers {
  readonly all: Pod[];
  configure(pod: Pod): void;
  gone(pod: Pod): void;
}

export function feedStaticPods(wanted: readonly Pod[], workers: Workers): void {
  const there = workers.all.filter(isStatic);
  for (const pod of there) if (!wanted.some(({ metadata }) => metadata.uid === pod.metadata.uid)) workers.gone(pod);
  for (const pod of wanted) {
    const isTaken = there.some((other) => keyOf(other) === keyOf(pod) && other.metadata.uid !== pod.metadata.uid);
    if (!isTaken) workers.configure(pod);
  }
}
