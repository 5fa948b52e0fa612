/**
 * All kinds that can be had through this server: its own and those of other API servers, as components see them that work
 * on every kind (garbage collection, namespaces). Those of a server that does not answer stay, and are told of.
 */
import type { Kind, KindRegistry } from '#api/machinery/kind.ts';
import type { RemoteVersion } from '../discovery/remote-groups.ts';
import { kindOfDiscovered } from './discovered-resource.ts';
import type { RemoteDiscovery } from './remote-discovery.ts';

export function discoveredKinds(own: KindRegistry, remote: RemoteDiscovery): KindRegistry {
  const made = new Map<string, Kind>();
  let remoteKinds: readonly Kind[] = [];
  let generation = -1;

  /** The same object for as long as the resource is described alike. */
  const kindsOf = (one: RemoteVersion): Kind[] =>
    one.resources
      .filter(({ resource, responseKind }) => resource && responseKind.kind)
      .map((resource) => {
        const id = JSON.stringify([one.group, one.version, resource]);
        const kind = made.get(id) ?? kindOfDiscovered(one, resource);
        made.set(id, kind);
        return kind;
      });
  const others = (): readonly Kind[] => {
    if (generation === remote.generation) return remoteKinds;
    generation = remote.generation;
    remoteKinds = remote.described().flatMap(kindsOf);
    const kept = new Set(remoteKinds);
    for (const [id, kind] of made) if (!kept.has(kind)) made.delete(id);
    return remoteKinds;
  };
  /** Its own kinds of a group and version that another server serves are out of reach. */
  const isHidden = ({ group, version }: Kind): boolean =>
    remote.described().some((one) => one.group === group && one.version === version);

  return {
    get generation() {
      return own.generation + remote.generation;
    },
    all: () =>
      remote.described().length === 0 ? own.all() : [...own.all().filter((kind) => !isHidden(kind)), ...others()],
    byResource: (group, version, plural) =>
      others().find((kind) => kind.group === group && kind.version === version && kind.plural === plural) ??
      own.byResource(group, version, plural),
    byKind: (group, version, kind) =>
      others().find((one) => one.group === group && one.version === version && one.kind === kind) ??
      own.byKind(group, version, kind),
    onChange(listener) {
      const stops = [own.onChange(listener), remote.onChange(listener)];
      return () => {
        for (const stop of stops) stop();
      };
    },
    unavailable: () =>
      remote
        .described()
        .filter(({ isStale }) => isStale)
        .map(({ group, version }) => ({ group, version })),
  };
}
