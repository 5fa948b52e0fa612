import { apiVersionOf, type Kind, type KindRegistry } from './kind.ts';

/** Serves the kinds it is given; others may come and go while running (CustomResourceDefinitions). */
export interface MutableKindRegistry extends KindRegistry {
  /** Replaces the kind of the same group, version and plural. New kinds stand behind the others. */
  add(kind: Kind): void;
  /** False when there is no such kind. */
  remove(kind: Pick<Kind, 'group' | 'version' | 'plural'>): boolean;
}

/** `bodies` are found by kind only: they are no resources of their own. */
export function createKindRegistry(kinds: readonly Kind[], bodies: readonly Kind[] = []): MutableKindRegistry {
  const byResource = new Map<string, Kind>();
  const byKind = new Map<string, Kind>();
  const listeners = new Set<() => void>();
  let all: readonly Kind[] = [];
  let generation = 0;

  const resourceKey = (kind: Pick<Kind, 'group' | 'version' | 'plural'>) => `${apiVersionOf(kind)}/${kind.plural}`;
  const kindKey = (kind: Pick<Kind, 'group' | 'version' | 'kind'>) => `${apiVersionOf(kind)}/${kind.kind}`;
  const put = (kind: Kind) => {
    byResource.set(resourceKey(kind), kind);
    byKind.set(kindKey(kind), kind);
  };
  const changed = () => {
    all = [...byResource.values()];
    generation += 1;
    for (const listener of [...listeners]) listener();
  };

  for (const body of bodies) byKind.set(kindKey(body), body);
  for (const kind of kinds) put(kind);
  all = [...byResource.values()];

  return {
    get generation() {
      return generation;
    },
    all: () => all,
    byResource: (group, version, plural) => byResource.get(resourceKey({ group, version, plural })),
    byKind: (group, version, kind) => byKind.get(kindKey({ group, version, kind })),
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    add(kind) {
      const before = byResource.get(resourceKey(kind));
      if (before) byKind.delete(kindKey(before));
      put(kind);
      changed();
    },
    remove(of) {
      const kind = byResource.get(resourceKey(of));
      if (!kind) return false;
      byResource.delete(resourceKey(kind));
      byKind.delete(kindKey(kind));
      changed();
      return true;
    },
  };
}
