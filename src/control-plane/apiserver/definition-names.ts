/**
 * Which names a CustomResourceDefinition gets: each that nobody else of its group has, and those that it has already.
 * Pure. Source: upstream's naming controller, reasons and texts included.
 */
import type { CustomResourceDefinition, CustomResourceDefinitionNames } from '#api/generated/schema.ts';
import type { Kind } from '#api/machinery/kind.ts';

export type Names = CustomResourceDefinitionNames;

export interface NameConflict {
  reason: string;
  message: string;
}

/** What is taken in one group. */
export interface TakenNames {
  resources: ReadonlySet<string>;
  kinds: ReadonlySet<string>;
}

export function takenNames(names: Iterable<Partial<Names>>): TakenNames {
  const resources = new Set<string>();
  const kinds = new Set<string>();
  for (const { plural, singular, shortNames = [], kind, listKind } of names) {
    for (const name of [plural, singular, ...shortNames]) if (name) resources.add(name);
    for (const name of [kind, listKind]) if (name) kinds.add(name);
  }
  return { resources, kinds };
}

/** As a definition would have to call itself. */
export const namesOf = ({ plural, singular, shortNames, kind, listKind }: Kind): Names =>
  ({ plural, singular, shortNames: [...shortNames], kind, listKind }) as Names;

/** `before`: what was accepted of the definition so far. Of several conflicts the last one is told. */
export function acceptedNames(
  { spec }: CustomResourceDefinition,
  before: Partial<Names>,
  taken: TakenNames,
): { names: Names; conflict: NameConflict | undefined } {
  const { names: wanted } = spec;
  let conflict: NameConflict | undefined;
  const inUse = (reason: string, names: readonly string[]) => {
    const texts = [...new Set(names)].map((name) => `${JSON.stringify(name)} is already in use`);
    conflict = { reason, message: texts.length === 1 ? texts[0]! : `[${texts.join(', ')}]` };
  };
  const choose = (field: 'plural' | 'singular' | 'kind' | 'listKind', used: ReadonlySet<string>): string => {
    const [name = '', own = ''] = [wanted[field], before[field]];
    if (name === own || !used.has(name)) return name;
    inUse(`${field[0]!.toUpperCase()}${field.slice(1)}Conflict`, [name]);
    return own;
  };
  const plural = choose('plural', taken.resources);
  const singular = choose('singular', taken.resources);
  const own = new Set([before.plural, before.singular, ...(before.shortNames ?? [])]);
  const clashing = (wanted.shortNames ?? []).filter((name) => !own.has(name) && taken.resources.has(name));
  if (clashing.length > 0) inUse('ShortNamesConflict', clashing);
  const shortNames = clashing.length > 0 ? before.shortNames : wanted.shortNames;
  const kind = choose('kind', taken.kinds);
  const listKind = choose('listKind', taken.kinds);
  const names = {
    plural,
    ...(singular && { singular }),
    ...(shortNames?.length && { shortNames }),
    kind,
    ...(listKind && { listKind }),
    ...(wanted.categories?.length && { categories: wanted.categories }),
  } as Names;
  return { names, conflict };
}
