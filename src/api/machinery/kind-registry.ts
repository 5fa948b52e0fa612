import { apiVersionOf, type Kind, type KindRegistry } from './kind.ts';

/** Serves the kinds it is given; others may come and go while running (CustomResourceDefinitions). */
export interface MutableKindRegistry extends KindRegistry {
  /** Replaces the kind of the same group, version and plural. New kinds stand behind the others. */
  add(kind: Kind): void;
  /** False when there is no such kind. */
  remove(kind: Pick<Kind, 'group' | 'version' | 'plural'>): boolean;
}

const NONE: readonly Kind[] = [];

/** `bodies` are found by kind only: they are no resources of their own. */
export function createKindRegistry(kinds: readonly Kind[], bodies: readonly Kind[] = []): MutableKindRegistry {
  const byResource = new Map<string, Kind>();
  const byKind = new Map<string, Kind>();
  /** Asked with every request: to put a key together would cost more than to look at the few of one name. */
  const byPlural = new Map<string, readonly Kind[]>();
  const listeners = new Set<() => void>();
  let all: readonly Kind[] = [];
  let generation = 0;

  const resourceKey = (kind: Pick<Kind, 'group' | 'version' | 'plural'>) => `${apiVersionOf(kind)}/${kind.plural}`;
  const kindKey = (kind: Pick<Kind, 'group' | 'version' | 'kind'>) => `${apiVersionOf(kind)}/${kind.kind}`;
  const othersOf = ({ group, version, plural }: Pick<Kind, 'group' | 'version' | 'plural'>) =>
    (byPlural.get(plural) ?? NONE).filter((other) => other.group !== group || other.version !== version);
  const put = (kind: Kind) => {
    const others = othersOf(kind);
    byResource.set(resourceKey(kind), kind);
    byPlural.set(kind.plural, [...others, kind]);
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
    byResource(group, version, plural) {
      for (const kind of byPlural.get(plural) ?? NONE)
        if (kind.version === version && kind.group === group) return kind;
      return undefined;
    },
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
      const others = othersOf(kind);
      if (others.length > 0) byPlural.set(kind.plural, others);
      else byPlural.delete(kind.plural);
      byKind.delete(kindKey(kind));
      changed();
      return true;
    },
  };
}
