/**
 * OpenAPI 2 documents of several servers as one. Of another server only what is about its own group and version is taken;
 * a definition that is there already under the same name and is not the same gets another name. Pure. Source: kube-openapi,
 * aggregator.MergeSpecsIgnorePathConflictRenamingDefinitionsAndParameters.
 */
import { isEqual } from '#api/machinery/equal.ts';
import type { Spec } from './remote-specs.ts';

const PREFIX = '#/definitions/';

/** What stands under these paths, and the definitions that it needs. */
export function specUnder(spec: Spec, prefix: string): Spec {
  const paths = Object.fromEntries(Object.entries(spec.paths).filter(([path]) => path.startsWith(prefix)));
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

/** `base` wins where both have a path. */
export function mergedSpec(base: Spec, other: Spec): Spec {
  const names = new Map<string, string>();
  for (const [name, definition] of Object.entries(other.definitions)) {
    const known = Object.hasOwn(base.definitions, name) ? base.definitions[name] : undefined;
    names.set(name, !known || isEqual(known, definition) ? name : freeName(name, [base, other]));
  }
  const renamed = renaming(names);
  const definitions = Object.fromEntries(
    Object.entries(other.definitions).map(([name, definition]) => [names.get(name)!, renamed(definition)]),
  ) as Spec['definitions'];
  return {
    paths: { ...(renamed(other.paths) as Spec['paths']), ...base.paths },
    definitions: { ...definitions, ...base.definitions },
  };
}

function freeName(name: string, specs: readonly Spec[]): string {
  for (let i = 2; ; i++) {
    const candidate = `${name}_v${i}`;
    if (!specs.some(({ definitions }) => Object.hasOwn(definitions, candidate))) return candidate;
  }
}

/** Copies a document, its references as they are called now. */
function renaming(names: ReadonlyMap<string, string>): (value: unknown) => unknown {
  const copy = (value: unknown, key = ''): unknown => {
    if (typeof value === 'string') return key === '$ref' ? PREFIX + nameIn(value, names) : value;
    if (Array.isArray(value)) return value.map((element) => copy(element));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, element]) => [name, copy(element, name)]));
  };
  const isSame = [...names].every(([before, now]) => before === now);
  return isSame ? (value) => value : copy;
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
