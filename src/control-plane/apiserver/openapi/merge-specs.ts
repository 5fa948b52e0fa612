/**
 * OpenAPI 2 documents of several servers as one. Of another server only what is about its own group and version is taken;
 * a definition that is there already under the same name and is not the same gets another name. Pure. Source: kube-openapi,
 * aggregator.MergeSpecsIgnorePathConflictRenamingDefinitionsAndParameters.
 */
import { isEqual } from '#api/machinery/equal.ts';
import type { Spec } from './remote-specs.ts';

const PREFIX = '#/definitions/';

/** What stands under the paths that are wanted, and the definitions that it needs. */
export function specUnder(spec: Spec, isWanted: (path: string) => boolean): Spec {
  const paths = Object.fromEntries(Object.entries(spec.paths).filter(([path]) => isWanted(path)));
  const found = new Map<string, Record<string, unknown>>();
  const waiting = [...referencesIn(paths)];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    const definition = Object.hasOwn(spec.definitions, name) ? spec.definitions[name] : undefined;
    if (!definition || found.has(name)) continue;
    found.set(name, definition);
    waiting.push(...referencesIn(definition));
  }
  return { paths, definitions: Object.fromEntries(found) };
}

/** `base` wins where both have a path: what only such a path of the other needs is not taken. */
export function mergedSpec(base: Spec, whole: Spec): Spec {
  const isNew = (path: string) => !Object.hasOwn(base.paths, path);
  const other = Object.keys(whole.paths).every(isNew) ? whole : specUnder(whole, isNew);
  const names = new Map<string, string>();
  const taken = new Set<string>();
  for (const [before, definition] of Object.entries(other.definitions)) {
    const name = nameFor(definition, { name: before, base, other, taken });
    names.set(before, name);
    taken.add(name);
  }
  const renamed = renaming(names);
  const definitions = Object.entries(other.definitions).map(([before, definition]) => {
    const name = names.get(before)!;
    const known = ownOf(base.definitions, name);
    return [name, known ? withKindsOf(known, definition) : renamed(definition)] as const;
  });
  return {
    paths: { ...(renamed(other.paths) as Spec['paths']), ...base.paths },
    definitions: { ...base.definitions, ...(Object.fromEntries(definitions) as Spec['definitions']) },
  };
}

/** Its own, when nobody means something else by that; else that of one that means the same, or a free one. */
function nameFor(
  definition: Definition,
  { name, base, other, taken }: { name: string; base: Spec; other: Spec; taken: ReadonlySet<string> },
): string {
  for (let i = 1; ; i++) {
    const candidate = i === 1 ? name : `${name}_v${i}`;
    const known = ownOf(base.definitions, candidate);
    if (known && isSame(known, definition)) return candidate;
    if (!known && (i === 1 || (!Object.hasOwn(other.definitions, candidate) && !taken.has(candidate))))
      return candidate;
  }
}

type Definition = Record<string, unknown>;

const ownOf = (definitions: Spec['definitions'], name: string): Definition | undefined =>
  Object.hasOwn(definitions, name) ? definitions[name] : undefined;

/** Of DeleteOptions, among others, each server says in which of its own groups it knows them. */
const KINDS = 'x-kubernetes-group-version-kind';

function isSame({ [KINDS]: _, ...a }: Definition, { [KINDS]: __, ...b }: Definition): boolean {
  return isEqual(a, b);
}

function withKindsOf(known: Definition, definition: Definition): Definition {
  const [kinds, more] = [known[KINDS] ?? [], definition[KINDS]];
  if (!Array.isArray(kinds) || !Array.isArray(more)) return known;
  const added = more.filter((one) => !kinds.some((kind) => isEqual(kind, one)));
  return added.length > 0 ? { ...known, [KINDS]: [...kinds, ...added] } : known;
}

/** Copies a document, its references as they are called now. */
function renaming(names: ReadonlyMap<string, string>): (value: unknown) => unknown {
  const copy = (value: unknown, key = ''): unknown => {
    if (typeof value === 'string') return key === '$ref' ? PREFIX + nameIn(value, names) : value;
    if (Array.isArray(value)) return value.map((element) => copy(element));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, element]) => [name, copy(element, name)]));
  };
  const areKept = [...names].every(([before, now]) => before === now);
  return areKept ? (value) => value : copy;
}

function nameIn(reference: string, names: ReadonlyMap<string, string>): string {
  const name = reference.slice(PREFIX.length);
  return names.get(name) ?? name;
}

function* referencesIn(value: unknown): Generator<string> {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, element] of Object.entries(value)) {
    if (key === '$ref' && typeof element === 'string' && element.startsWith(PREFIX)) yield element.slice(PREFIX.length);
    else yield* referencesIn(element);
  }
}
