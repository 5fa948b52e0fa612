/**
 * All kinds that can be had through this server: its own and those of other API servers, as components see them that work
 * on every kind (garbage collection, namespaces). Those of a server that does not answer stay, and are told of.
 */
import type { Kind, KindRegistry } from '#api/machinery/kind.ts';
import type { RemoteVersion } from '../discovery/remote-groups.ts';
import { kindOfDiscovered } from './discovered-resource.ts';
import type { RemoteDiscovery } from './remote-discovery.ts';

export const discoveredKinds = (own: KindRegistry, remote: RemoteDiscovery): KindRegistry =>
  new DiscoveredKinds(own, remote);

class DiscoveredKinds implements KindRegistry {
  readonly #own: KindRegistry;
  readonly #remote: RemoteDiscovery;
  readonly #made = new Map<string, Kind>();
  #remoteKinds: readonly Kind[] = [];
  #remoteGeneration = -1;

  constructor(own: KindRegistry, remote: RemoteDiscovery) {
    this.#own = own;
    this.#remote = remote;
  }

  get generation(): number {
    return this.#own.generation + this.#remote.generation;
  }

  all(): readonly Kind[] {
    const own = this.#own.all();
    return this.#remote.described().length === 0
      ? own
      : [...own.filter((kind) => !this.#isHidden(kind)), ...this.#others()];
  }

  byResource(group: string, version: string, plural: string): Kind | undefined {
    return (
      this.#others().find((kind) => kind.group === group && kind.version === version && kind.plural === plural) ??
      this.#own.byResource(group, version, plural)
    );
  }

  byKind(group: string, version: string, kind: string): Kind | undefined {
    return (
      this.#others().find((one) => one.group === group && one.version === version && one.kind === kind) ??
      this.#own.byKind(group, version, kind)
    );
  }

  onChange(listener: () => void): () => void {
    const stops = [this.#own.onChange(listener), this.#remote.onChange(listener)];
    return () => {
      for (const stop of stops) stop();
    };
  }

  unavailable(): readonly { group: string; version: string }[] {
    return this.#remote
      .described()
      .filter(({ isStale }) => isStale)
      .map(({ group, version }) => ({ group, version }));
  }

  #others(): readonly Kind[] {
    const { generation } = this.#remote;
    if (this.#remoteGeneration === generation) return this.#remoteKinds;
    this.#remoteGeneration = generation;
    this.#remoteKinds = this.#remote.described().flatMap((one) => this.#kindsOf(one));
    const kept = new Set(this.#remoteKinds);
    for (const [id, kind] of this.#made) if (!kept.has(kind)) this.#made.delete(id);
    return this.#remoteKinds;
  }

  /** The same object for as long as the resource is described alike. */
  #kindsOf(one: RemoteVersion): Kind[] {
    return one.resources
      .filter(({ resource, responseKind }) => resource && responseKind.kind)
      .map((resource) => {
        const id = JSON.stringify([one.group, one.version, resource]);
        const kind = this.#made.get(id) ?? kindOfDiscovered(one, resource);
        this.#made.set(id, kind);
        return kind;
      });
  }

  /** Its own kinds of a group and version that another server serves are out of reach. */
  #isHidden({ group, version }: Kind): boolean {
    return this.#remote.described().some((one) => one.group === group && one.version === version);
  }
}
