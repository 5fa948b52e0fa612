/**
 * Reads the compact form in which `generated/facts.ts` holds what is known of each type; `tools/generate/facts-table.ts`
 * writes it. A type is one line: fields separated by `;`, the parts of a field by `,`:
 *
 *     name,type,number,flags[,e=A|B][,l=a|s|m:key:key][,m=a][,s=merge:retainKeys][,k=name]
 *
 * type: one letter for a scalar, `[]T` a list, `~T` a list that is a message, `{}T` a map, else a type's name (without its
 * package when that is the same). flags: p pointer, o omitempty, i inline, r required. A line may begin with `@` (atomic)
 * or `|array;`, `|bool;`, `|stringArray;` (union).
 */
import type { FieldFacts, Facts, Scalar, TypeFacts, TypeRef } from './facts.ts';

export const SCALAR_LETTERS: Readonly<Record<string, Scalar>> = {
  s: 'string',
  i: 'int32',
  l: 'int64',
  b: 'bool',
  d: 'double',
  y: 'bytes',
  q: 'quantity',
  t: 'time',
  T: 'microTime',
  I: 'intOrString',
  R: 'raw',
  F: 'fieldsV1',
};

/** Kinds that exist in every group and version. Source: apimachinery, meta/v1, AddToGroupVersion. */
const COMMON_KINDS = new Set([
  'WatchEvent',
  'ListOptions',
  'GetOptions',
  'DeleteOptions',
  'CreateOptions',
  'UpdateOptions',
  'PatchOptions',
]);
/** Those of meta/v1 that are served under the legacy `v1` too. */
const UNVERSIONED_KINDS = new Set(['Status', 'APIVersions', 'APIGroup', 'APIGroupList', 'APIResourceList', 'List']);

export interface FactsTable {
  /** Lines by the type's name. */
  types: Readonly<Record<string, string>>;
  /** The API group of each package: `rbac.v1` → `rbac.authorization.k8s.io`. */
  groups: Readonly<Record<string, string>>;
}

export function factsFromTable({ types, groups }: FactsTable): Facts {
  const parsed = new Map<string, TypeFacts>();
  let packages: Map<string, string> | undefined;

  const facts: Facts = {
    type(name) {
      const known = parsed.get(name);
      if (known) return known;
      const line = Object.hasOwn(types, name) ? types[name] : undefined;
      if (line === undefined) return undefined;
      const made = parseType(name, line, facts);
      parsed.set(name, made);
      return made;
    },

    typeOfKind(group, version, kind) {
      packages ??= new Map(Object.entries(groups).map(([name, of]) => [`${of}/${name.split('.')[1]}`, name]));
      const ours = packages.get(`${group}/${version}`);
      const type = ours === undefined ? undefined : facts.type(`${ours}.${kind}`);
      if (type?.jsonFields.has('kind')) return type;
      const isMeta = COMMON_KINDS.has(kind) || (group === '' && UNVERSIONED_KINDS.has(kind));
      return isMeta || group === 'meta.k8s.io' ? facts.type(`meta.v1.${kind}`) : undefined;
    },

    names: () => Object.keys(types),
  };
  return facts;
}

function parseType(name: string, line: string, facts: Facts): TypeFacts {
  const ownPackage = name.slice(0, name.lastIndexOf('.'));
  const atomic = line.startsWith('@');
  const union = /^\|(\w+);/.exec(line)?.[1] as TypeFacts['union'];
  const text = atomic ? line.slice(1) : union ? line.slice(union.length + 2) : line;
  const fields = text === '' ? [] : text.split(';').map((field) => parseField(field, ownPackage));
  let jsonFields: ReadonlyMap<string, FieldFacts> | undefined;
  return {
    name,
    fields,
    ...(atomic && { atomic }),
    ...(union && { union }),
    get jsonFields() {
      jsonFields ??= new Map(fields.flatMap((field) => liftedFields(field, facts)));
      return jsonFields;
    },
  };
}

function liftedFields(field: FieldFacts, facts: Facts): [string, FieldFacts][] {
  if (!field.inline || !('ref' in field.type)) return [[field.name, field]];
  return [...(facts.type(field.type.ref)?.jsonFields ?? [])];
}

function parseField(text: string, ownPackage: string): FieldFacts {
  const [name = '', typeText = '', number = '0', flags = '', ...extras] = text.split(',');
  const type = parseTypeRef(typeText, ownPackage);
  const field: FieldFacts = {
    name,
    type,
    number: Number(number),
    pointer: flags.includes('p'),
    omitEmpty: flags.includes('o'),
    inline: flags.includes('i'),
    required: flags.includes('r'),
  };
  for (const extra of extras) Object.assign(field, parseExtra(extra.slice(0, 1), extra.slice(2)));
  return field;
}

function parseExtra(key: string, value: string): Partial<FieldFacts> {
  switch (key) {
    case 'e':
      return { enum: value.split('|') };
    case 'l': {
      const [letter, ...listMapKeys] = value.split(':');
      if (letter === 'm') return { listType: 'map', listMapKeys };
      return { listType: letter === 's' ? 'set' : 'atomic' };
    }
    case 'm':
      return { mapType: 'atomic' };
    case 's':
      return { patchStrategy: value.split(':') as ('merge' | 'replace' | 'retainKeys')[] };
    default:
      return { patchMergeKey: value };
  }
}

function parseTypeRef(text: string, ownPackage: string): TypeRef {
  if (text.startsWith('[]')) return { list: parseTypeRef(text.slice(2), ownPackage) };
  if (text.startsWith('~')) return { list: parseTypeRef(text.slice(1), ownPackage), named: true };
  if (text.startsWith('{}')) return { map: parseTypeRef(text.slice(2), ownPackage) };
  const scalar = text.length === 1 ? SCALAR_LETTERS[text] : undefined;
  if (scalar) return { scalar };
  return { ref: text.includes('.') ? text : `${ownPackage}.${text}` };
}
