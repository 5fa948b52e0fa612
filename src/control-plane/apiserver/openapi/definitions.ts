/** All definitions that a set of endpoints needs: those they name, and what these refer to. */
import type { Facts } from '#api/machinery/facts.ts';
import { definitionName } from './definition-name.ts';
import { type Schema, type SchemaOptions, schemaOfType, specialDefinition } from './type-schema.ts';

/** One that is made from no facts: a custom kind and its list. `refers` are other definitions' names. */
export interface CustomDefinition {
  schema: Schema;
  refers: readonly string[];
}

export interface DefinitionSources extends SchemaOptions {
  custom: ReadonlyMap<string, CustomDefinition>;
  /** `x-kubernetes-group-version-kind` of a definition, where it is a kind. */
  kindsOf(name: string): readonly object[] | undefined;
}

const typeNames = new WeakMap<Facts, Map<string, string>>();

function typeNameOf(name: string, facts: Facts): string | undefined {
  let names = typeNames.get(facts);
  if (!names) {
    names = new Map(facts.names().map((typeName) => [definitionName(typeName), typeName]));
    typeNames.set(facts, names);
  }
  return names.get(name);
}

/** Sorted by name. Throws for a name that nothing defines: a mistake in this folder. */
export function definitionsFor(roots: Iterable<string>, sources: DefinitionSources): Map<string, Schema> {
  const found = new Map<string, Schema>();
  const waiting = [...roots];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (found.has(name)) continue;
    found.set(name, {}); // a type may refer to itself
    const kinds = sources.kindsOf(name);
    const schema = definition(name, sources, (other) => waiting.push(other));
    found.set(name, kinds ? { ...schema, 'x-kubernetes-group-version-kind': kinds } : schema);
  }
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function definition(name: string, sources: DefinitionSources, refer: (name: string) => void): Schema {
  const special = specialDefinition(name, sources.version);
  if (special) return special;
  const custom = sources.custom.get(name);
  if (custom) {
    custom.refers.forEach(refer);
    return custom.schema;
  }
  const typeName = typeNameOf(name, sources.facts);
  const type = typeName === undefined ? undefined : sources.facts.type(typeName);
  if (!type) throw new Error(`no definition for ${name}`);
  return schemaOfType(type, sources, refer);
}
