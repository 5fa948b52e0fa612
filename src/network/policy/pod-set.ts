/**
 * A set of the kernel's that pods join and leave: the addresses of those that a selector means, or the ports that they call
 * by some name. Named for what it holds, so that all rules with the same selector share it.
 */
import { createHash } from 'node:crypto';
import {
  formatSelector,
  isEverything,
  matchesLabels,
  type Selector,
  selectorFrom,
} from '#api/machinery/label-selector.ts';
import type { PodFacts } from './pod-facts.ts';
import type { PodScope, PolicyPorts } from './policy-rules.ts';

/** Which elements of the set are a pod's. */
type ElementsOf = (pod: PodFacts, namespaceLabels: Readonly<Record<string, string>>) => readonly string[];

/** Says which set is meant, without making it. */
export interface PodSetSpec {
  name: string;
  /** What its elements consist of. */
  holds: 'addresses' | 'named ports';
  elementsOf: ElementsOf;
}

export function podsIn({ namespace, podSelector }: PodScope): PodSetSpec {
  const pods = selectorFrom(podSelector);
  const spaces = typeof namespace === 'string' ? undefined : selectorFrom(namespace);
  const isMeant: (pod: PodFacts, labels: Readonly<Record<string, string>>) => boolean = spaces
    ? (_, labels) => matchesLabels(spaces, labels)
    : (pod) => pod.namespace === namespace;
  return {
    name: `pods-${hashOf(spaces ? textOf(spaces) : ['in', namespace], textOf(pods))}`,
    holds: 'addresses',
    elementsOf: (pod, labels) => (isMeant(pod, labels) && matchesLabels(pods, pod.labels) ? [pod.address] : NONE),
  };
}

export const portsNamed = ({ protocol, name }: PolicyPorts['names'][number]): PodSetSpec => ({
  name: `named-${hashOf(protocol, name)}`,
  holds: 'named ports',
  elementsOf: (pod) =>
    pod.ports
      .filter((port) => port.name === name && port.protocol === protocol)
      .map(({ port }) => `${pod.address} . ${protocol} . ${port}`),
});

export class PodSet {
  readonly spec: PodSetSpec;
  readonly #byPod = new Map<string, readonly string[]>();
  /** How many pods each element is in the set for: for a moment an old and a new pod may have one address. */
  readonly #counts = new Map<string, number>();
  #touched = new Set<string>();

  constructor(spec: PodSetSpec) {
    this.spec = spec;
  }

  get elements(): Iterable<string> {
    return this.#counts.keys();
  }

  has(element: string): boolean {
    return this.#counts.has(element);
  }

  put(podKey: string, pod: PodFacts | undefined, namespaceLabels: Readonly<Record<string, string>>): void {
    const before = this.#byPod.get(podKey) ?? NONE;
    const now = pod ? this.spec.elementsOf(pod, namespaceLabels) : NONE;
    if (before.length === 0 && now.length === 0) return;
    for (const element of now) this.#count(element, 1);
    for (const element of before) this.#count(element, -1);
    if (now.length > 0) this.#byPod.set(podKey, now);
    else this.#byPod.delete(podKey);
  }

  /** The elements that may have come or gone since the last call. */
  takeTouched(): ReadonlySet<string> {
    const touched = this.#touched;
    this.#touched = new Set();
    return touched;
  }

  #count(element: string, by: number): void {
    const count = (this.#counts.get(element) ?? 0) + by;
    if (count > 0) this.#counts.set(element, count);
    else this.#counts.delete(element);
    this.#touched.add(element);
  }
}

/** Short, and the same for the same content. */
export const hashOf = (...content: readonly unknown[]): string =>
  createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, 16);

const NONE: readonly string[] = [];
const textOf = (selector: Selector) => (isEverything(selector) ? '*' : formatSelector(selector));
