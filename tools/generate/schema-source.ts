/** Writes `src/api/generated/schema.ts`: an interface for each type, in the stored view. */
import type { FieldFacts, Scalar, TypeRef } from '#api/machinery/facts.ts';
import { type DeclaredType, GROUP_OF_PACKAGE } from './api-types.ts';
import { DEFAULTED_FIELDS } from './defaulted-fields.ts';

const SCALARS: Record<Scalar, string> = {
  string: 'string',
  int32: 'number',
  int64: 'number',
  bool: 'boolean',
  double: 'number',
  bytes: 'string',
  quantity: 'string',
  time: 'string',
  microTime: 'string',
  intOrString: 'number | string',
  raw: 'unknown',
  fieldsV1: 'unknown',
};

/** Written by hand in machinery/object.ts. */
const BY_HAND = new Map(
  ['ListMeta', 'ManagedFieldsEntry', 'ObjectMeta', 'OwnerReference'].map((name) => [`meta.v1.${name}`, name]),
);

const UNIONS = {
  array: 'JSONSchemaProps | JSONSchemaProps[]',
  bool: 'JSONSchemaProps | boolean',
  stringArray: 'JSONSchemaProps | string[]',
};

// Who keeps a plain name that several packages have.
const KEEPS_PLAIN_NAME = ['core.v1', 'meta.v1', 'rbac.v1', 'autoscaling.v2'];

/** Templates carry metadata that nobody has completed. */
const isTemplate = (name: string): boolean =>
  /Template(Spec)?$/.test(name) && !/\.(PodTemplate|ResourceClaimTemplate)$/.test(name);

export function schemaSource(types: readonly DeclaredType[]): string {
  refuseStaleNames(types);
  const names = tsNames(types);
  const declared = types.filter(({ name }) => !BY_HAND.has(name)).map((type) => declaration(type, names));
  return `/**
 * Made by \`npm run update:schema\`. Never edited. The types of the API of Kubernetes v1.36 in the stored view: a field is
 * optional exactly when it may be absent after defaulting.
 */
import type { ListMeta, ManagedFieldsEntry, ObjectMeta, OwnerReference } from '#api/machinery/object.ts';

export type { ObjectMeta };

/** The submitted view: what a client may send, where every field may be absent. */
export type Submitted<T> = T extends string | number | boolean | null | undefined
  ? T
  : T extends readonly (infer Element)[]
    ? Submitted<Element>[]
    : T extends object
      ? { [Key in keyof T]?: Submitted<T[Key]> }
      : T;

${declared.join('\n\n')}
`;
}

function declaration({ name, fields, union }: DeclaredType, names: ReadonlyMap<string, string>): string {
  const own = names.get(name)!;
  if (union) return `export type ${own} = ${UNIONS[union]};`;
  const parents = fields.filter(({ inline }) => inline).map(({ type }) => tsType(type, names));
  const kind = isKind({ fields }) ? kindLines(name) : [];
  const lines = fields
    .filter((field) => !field.inline && !(kind.length > 0 && (field.name === 'kind' || field.name === 'apiVersion')))
    .map((field) => fieldLine(name, field, names, kind.length > 0));
  const head = `export interface ${own}${parents.length > 0 ? ` extends ${parents.join(', ')}` : ''}`;
  return kind.length + lines.length === 0 ? `${head} {}` : `${head} {\n${[...kind, ...lines].join('\n')}\n}`;
}

const isKind = ({ fields }: Pick<DeclaredType, 'fields'>): boolean =>
  fields.some(({ name, number }) => name === 'kind' && number === 0);

function kindLines(name: string): string[] {
  const [packageName, typeName] = splitName(name);
  if (packageName === 'meta.v1' && !/^(Status|Table|PartialObjectMetadata|API)/.test(typeName))
    return [`  apiVersion?: string;`, `  kind?: '${typeName}';`];
  const group = GROUP_OF_PACKAGE[packageName]!;
  const version = packageName.split('.')[1]!;
  const isLegacy = /^meta\.v1\.(Status|API)/.test(name);
  const apiVersion = group && !isLegacy ? `${group}/${version}` : version;
  return [`  apiVersion: '${apiVersion}';`, `  kind: '${typeName}';`];
}

function fieldLine(owner: string, field: FieldFacts, names: ReadonlyMap<string, string>, ofKind: boolean): string {
  const isStruct = 'ref' in field.type && !field.pointer;
  const always =
    field.required ||
    DEFAULTED_FIELDS[owner]?.includes(field.name) ||
    (ofKind && isStruct && (field.name === 'spec' || field.name === 'metadata'));
  const isPartial = field.name === 'metadata' && isTemplate(owner);
  const type = isPartial ? 'Partial<ObjectMeta>' : field.enum ? enumType(field) : tsType(field.type, names);
  const key = /^[A-Za-z_]\w*$/.test(field.name) ? field.name : `'${field.name}'`;
  return `  ${key}${always && !isPartial ? '' : '?'}: ${type};`;
}

function enumType({ enum: values, type }: FieldFacts): string {
  const union = values!.map((value) => `'${value}'`).join(' | ');
  return 'list' in type ? `(${union})[]` : union;
}

function tsType(type: TypeRef, names: ReadonlyMap<string, string>): string {
  if ('scalar' in type) return SCALARS[type.scalar];
  if ('ref' in type) return names.get(type.ref) ?? missing(type.ref);
  if ('map' in type) return `Record<string, ${tsType(type.map, names)}>`;
  const element = tsType(type.list, names);
  return element.includes(' ') && !element.startsWith('Record<') ? `(${element})[]` : `${element}[]`;
}

function missing(name: string): never {
  throw new Error(`a field refers to ${name}, which is no type of the API`);
}

const splitName = (name: string): [string, string] => {
  const dot = name.lastIndexOf('.');
  return [name.slice(0, dot), name.slice(dot + 1)];
};

/** Flat names; where packages collide, all but the one that keeps the plain name carry their group (or version) in it. */
function tsNames(types: readonly DeclaredType[]): Map<string, string> {
  const owners = new Map<string, string[]>();
  for (const { name } of types) {
    const [packageName, plain] = splitName(name);
    owners.set(plain, [...(owners.get(plain) ?? []), packageName]);
  }
  return new Map(
    types.map(({ name }) => {
      const [packageName, plain] = splitName(name);
      return [name, BY_HAND.get(name) ?? tsName(packageName, plain, owners.get(plain)!)];
    }),
  );
}

function tsName(packageName: string, plain: string, owners: readonly string[]): string {
  if (owners.length === 1 || packageName === KEEPS_PLAIN_NAME.find((keeper) => owners.includes(keeper))) return plain;
  if (packageName === 'events.v1') return `EventsV1${plain}`;
  if (packageName === 'autoscaling.v1') return `${plain}V1`;
  const group = packageName.split('.')[0]!;
  return `${group[0]!.toUpperCase()}${group.slice(1)}${plain}`;
}

function refuseStaleNames(types: readonly DeclaredType[]): void {
  const known = new Map(types.map(({ name, fields }) => [name, new Set(fields.map((field) => field.name))]));
  const stale = Object.entries(DEFAULTED_FIELDS).flatMap(([type, fields]) =>
    fields.filter((field) => !known.get(type)?.has(field)).map((field) => `${type}.${field}`),
  );
  if (stale.length > 0) throw new Error(`defaulted-fields.ts names what the API no longer has: ${stale.join(', ')}`);
}
