import { apiVersionOf, type Kind, type KindRegistry } from './kind.ts';

/** Serves the kinds it is given; others may come and go while running (CustomResourceDefinitions). */
export interface MutableKindRegistry extends KindRegistry {
  /** Replaces the kind of the same group, version and plural. New kinds stand behind the others. */
  add(kind: Kind): void;
  /** False when there is no such kind. */
  remove(kind: Resource): boolean;
}

const NONE: readonly Kind[] = [];

/** `bodies` are found by kind only: they are no resources of their own. */
export const createKindRegistry = (kinds: readonly Kind[], bodies: readonly Kind[] = []): MutableKindRegistry =>
  new ServedKinds(kinds, bodies);

class ServedKinds implements MutableKindRegistry {
  readonly #byResource = new Map<string, Kind>();
  readonly #byKind = new Map<string, Kind>();
  /** Asked with every request: to put a key together would cost more than to look at the few of one name. */
  readonly #byPlural = new Map<string, readonly Kind[]>();
  readonly #listeners = new Set<() => void>();
  #all: readonly Kind[];
  #generation = 0;

  constructor(kinds: readonly Kind[], bodies: readonly Kind[]) {
    for (const body of bodies) this.#byKind.set(kindKey(body), body);
    for (const kind of kinds) this.#put(kind);
    this.#all = [...this.#byResource.values()];
  }

  get generation(): number {
    return this.#generation;
  }

  all(): readonly Kind[] {
    return this.#all;
  }

  byResource(group: string, version: string, plural: string): Kind | undefined {
    for (const kind of this.#byPlural.get(plural) ?? NONE)
      if (kind.version === version && kind.group === group) return kind;
    return undefined;
  }

  byKind(group: string, version: string, kind: string): Kind | undefined {
    return this.#byKind.get(kindKey({ group, version, kind }));
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  add(kind: Kind): void {
    const before = this.#byResource.get(resourceKey(kind));
    if (before) this.#byKind.delete(kindKey(before));
    this.#put(kind);
    this.#changed();
  }

  remove(of: Resource): boolean {
    const kind = this.#byResource.get(resourceKey(of));
    if (!kind) return false;
    this.#byResource.delete(resourceKey(kind));
    const others = this.#othersOf(kind);
    if (others.length > 0) this.#byPlural.set(kind.plural, others);
    else this.#byPlural.delete(kind.plural);
    this.#byKind.delete(kindKey(kind));
    this.#changed();
    return true;
  }

  #put(kind: Kind): void {
    const others = this.#othersOf(kind);
    this.#byResource.set(resourceKey(kind), kind);
    this.#byPlural.set(kind.plural, [...others, kind]);
    this.#byKind.set(kindKey(kind), kind);
  }

  #othersOf({ group, version, plural }: Resource): readonly Kind[] {
    return (this.#byPlural.get(plural) ?? NONE).filter((other) => other.group !== group || other.version !== version);
  }

  #changed(): void {
    this.#all = [...this.#byResource.values()];
    this.#generation += 1;
    for (const listener of [...this.#listeners]) listener();
  }
}

type Resource = Pick<Kind, 'group' | 'version' | 'plural'>;

const resourceKey = (kind: Resource): string => `${apiVersionOf(kind)}/${kind.plural}`;

const kindKey = (kind: Pick<Kind, 'group' | 'version' | 'kind'>): string => `${apiVersionOf(kind)}/${kind.kind}`;
