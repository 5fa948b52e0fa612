/** How many watch what a write changes. Source: upstream's util/flowcontrol/watch_tracker.go. */
import type { ResourceRequestInfo } from '../request-info.ts';

export class WatchCounts {
  readonly #counts = new Map<string, number>();

  /** Call what it returns when the watch is over. */
  begin(info: ResourceRequestInfo): () => void {
    // Pods are looked up by node: who watches one node's is hardly ever concerned.
    if (info.resource === 'pods' && pinsNode(info.fieldSelector)) return () => undefined;
    const key = keyOf(info, info.namespace, info.name);
    this.#add(key, 1);
    return () => this.#add(key, -1);
  }

  of(info: ResourceRequestInfo): number {
    const { namespace, name } = info;
    const everywhere = this.#get(keyOf(info, '', ''));
    const inNamespace = namespace ? this.#get(keyOf(info, namespace, '')) : 0;
    return everywhere + inNamespace + (name ? this.#get(keyOf(info, namespace, name)) : 0);
  }

  #get(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  #add(key: string, by: 1 | -1): void {
    const count = this.#get(key) + by;
    if (count > 0) this.#counts.set(key, count);
    else this.#counts.delete(key);
  }
}

const keyOf = ({ group, resource }: ResourceRequestInfo, namespace: string, name: string): string =>
  `${group}/${resource}/${namespace}/${name}`;

const pinsNode = (fieldSelector = ''): boolean => /(?:^|,)spec\.nodeName==?[^,!=]/.test(fieldSelector);
