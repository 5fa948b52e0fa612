/** From Go structs and published declarations to the facts of each type of the API: one model that all outputs are written from. */
import type { FieldFacts, Scalar, TypeFacts, TypeRef } from '#api/machinery/facts.ts';
import type { GoField, GoType } from './go-types.ts';
import { isAtomicMap, isAtomicStruct, listFacts, namedPaths } from './list-types.ts';
import type { Declaration } from './model-declarations.ts';

type Struct = GoType & { kind: 'struct' };

/** Our package name → the API group it serves. All generally available ones of v1.36, and what goes with them. */
export const GROUP_OF_PACKAGE: Record<string, string> = {
  'core.v1': '',
  'admission.v1': 'admission.k8s.io',
  'admissionregistration.v1': 'admissionregistration.k8s.io',
  'apidiscovery.v2': 'apidiscovery.k8s.io',
  'apiextensions.v1': 'apiextensions.k8s.io',
  'apiregistration.v1': 'apiregistration.k8s.io',
  'apps.v1': 'apps',
  'authentication.v1': 'authentication.k8s.io',
  'authorization.v1': 'authorization.k8s.io',
  'autoscaling.v1': 'autoscaling',
  'autoscaling.v2': 'autoscaling',
  'batch.v1': 'batch',
  'certificates.v1': 'certificates.k8s.io',
  'coordination.v1': 'coordination.k8s.io',
  'discovery.v1': 'discovery.k8s.io',
  'events.v1': 'events.k8s.io',
  'flowcontrol.v1': 'flowcontrol.apiserver.k8s.io',
  'meta.v1': 'meta.k8s.io',
  'networking.v1': 'networking.k8s.io',
  'node.v1': 'node.k8s.io',
  'policy.v1': 'policy',
  'rbac.v1': 'rbac.authorization.k8s.io',
  'resource.v1': 'resource.k8s.io',
  'scheduling.v1': 'scheduling.k8s.io',
  'storage.v1': 'storage.k8s.io',
};

// Structs with a wire form of their own.
const SPECIAL: Record<string, Scalar> = {
  'k8s.io/apimachinery/pkg/api/resource.Quantity': 'quantity',
  'k8s.io/apimachinery/pkg/apis/meta/v1.Time': 'time',
  'k8s.io/apimachinery/pkg/apis/meta/v1.MicroTime': 'microTime',
  'k8s.io/apimachinery/pkg/apis/meta/v1.FieldsV1': 'fieldsV1',
  'k8s.io/apimachinery/pkg/util/intstr.IntOrString': 'intOrString',
  'k8s.io/apimachinery/pkg/runtime.RawExtension': 'raw',
  'k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1.JSON': 'raw',
};

const BASIC: Record<string, Scalar> = {
  string: 'string',
  bool: 'bool',
  int32: 'int32',
  int64: 'int64',
  float64: 'double',
  interface: 'raw',
  int: 'int64',
};

const UNIONS: Record<string, TypeFacts['union']> = {
  'apiextensions.v1.JSONSchemaPropsOrArray': 'array',
  'apiextensions.v1.JSONSchemaPropsOrBool': 'bool',
  'apiextensions.v1.JSONSchemaPropsOrStringArray': 'stringArray',
};

// Go's named slices that are messages of their own in protobuf; other named slices are plain repeated fields.
const MESSAGE_SLICES = new Set(['ExtraValue', 'Verbs']);

// In meta/v1, but neither sent nor stored.
const NOT_ON_THE_WIRE = new Set(['InternalEvent', 'Timestamp', 'Time', 'MicroTime', 'Duration', 'FieldsV1']);

/** A type as the outputs are written from; what is derived from it is left out. */
export type DeclaredType = Omit<TypeFacts, 'jsonFields'>;

export interface ApiModel {
  /** Sorted by name. */
  types: DeclaredType[];
  descriptions: Map<string, Declaration>;
}

export function apiModel(
  structs: ReadonlyMap<string, Struct>,
  declarations: (ourPackage: string) => Map<string, Declaration>,
): ApiModel {
  const described = new Map<string, Declaration>();
  for (const ourPackage of Object.keys(GROUP_OF_PACKAGE))
    for (const [name, declaration] of declarations(ourPackage)) described.set(`${ourPackage}.${name}`, declaration);

  const types = new Map<string, DeclaredType>();
  for (const struct of structs.values()) {
    const name = typeName(struct);
    if (!name || SPECIAL[goName(struct)] || NOT_ON_THE_WIRE.has(struct.name)) continue;
    const fields = struct.fields.flatMap((field) => fieldFacts(name, field, described.get(name)));
    if (fields.length === 0 && !described.has(name) && !isMarker(struct)) continue;
    types.set(name, {
      name,
      fields,
      ...(isAtomicStruct(name) && { atomic: true }),
      ...(UNIONS[name] && { union: UNIONS[name] }),
    });
  }
  refuseStaleNames(types);
  return { types: [...types.values()].sort((a, b) => (a.name < b.name ? -1 : 1)), descriptions: described };
}

const goName = (struct: Struct): string => `${struct.packagePath}.${struct.name}`;
/** A struct without fields that still is an object on the wire, e.g. EmptyDir's neighbours. */
const isMarker = (struct: Struct): boolean =>
  struct.fields.length === 0 && struct.packagePath.startsWith('k8s.io/api/');

/** `core.v1.PodSpec`; undefined for a struct of no served package. */
function typeName({ packagePath, name }: Struct): string | undefined {
  const match =
    /^k8s\.io\/(?:api|apimachinery\/pkg\/apis|apiextensions-apiserver\/pkg\/apis|kube-aggregator\/pkg\/apis)\/(\w+)\/(v\d+)$/.exec(
      packagePath,
    );
  const ourPackage = match && `${match[1]}.${match[2]}`;
  return ourPackage && ourPackage in GROUP_OF_PACKAGE && /^[A-Z]/.test(name) ? `${ourPackage}.${name}` : undefined;
}

function fieldFacts(owner: string, field: GoField, declaration: Declaration | undefined): FieldFacts[] {
  const json = tagOf(field, 'json');
  const union = UNIONS[owner] !== undefined;
  const [jsonName = '', ...options] = (json ?? (union ? protobufName(field) : '')).split(',');
  if (jsonName === '-' || !/^[A-Z]/.test(field.name.replace(/^[a-z]/, (c) => c.toUpperCase()))) return [];
  const number = Number(/^\w+,(\d+)/.exec(tagOf(field, 'protobuf') ?? '')?.[1] ?? 0);
  const inline = jsonName === '' && field.embedded;
  if (jsonName === '' && !inline) return [];
  if (inline && number === 0) return lifted(owner, field, declaration);

  const type = typeRef(field.type, `${owner}.${field.name}`);
  const known = declaration?.fields.get(jsonName);
  const omitEmpty = options.includes('omitempty') || inline;
  const patchStrategy = tagOf(field, 'patchStrategy')?.split(',') as FieldFacts['patchStrategy'] | undefined;
  const patchMergeKey = tagOf(field, 'patchMergeKey');
  const patch = { ...(patchStrategy && { patchStrategy }), ...(patchMergeKey && { patchMergeKey }) };
  const name = inline ? protobufName(field) : jsonName;
  const path = `${owner}.${name}`;
  return [
    {
      name,
      type,
      number,
      pointer: field.type.kind !== 'struct' && field.type.kind !== 'basic',
      omitEmpty,
      inline,
      required: !inline && (known ? known.required : !declaration && !omitEmpty && !union),
      ...(known?.enumValues && { enum: known.enumValues }),
      ...('list' in type && listFacts(path, patch)),
      ...('map' in type && isAtomicMap(path) && { mapType: 'atomic' as const }),
      ...patch,
    },
  ];
}

/** The fields of an embedded struct that has no protobuf level either: TypeMeta. They are in the envelope, so without numbers. */
function lifted(owner: string, field: GoField, declaration: Declaration | undefined): FieldFacts[] {
  if (field.type.kind !== 'struct') throw new Error(`${owner}: ${field.name} is embedded and no struct`);
  const isTypeMeta = field.type.name === 'TypeMeta';
  return field.type.fields
    .flatMap((inner) => fieldFacts(owner, inner, declaration))
    .map((inner) => ({ ...inner, required: false, ...(isTypeMeta && { number: 0 }) }));
}

function tagOf(field: GoField, key: string): string | undefined {
  return new RegExp(`(?:^|\\s)${key}:"([^"]*)"`).exec(field.tag)?.[1];
}
const protobufName = (field: GoField): string => /name=([\w$]+)/.exec(tagOf(field, 'protobuf') ?? '')?.[1] ?? '';

function typeRef(type: GoType, where: string): TypeRef {
  switch (type.kind) {
    case 'basic': {
      const scalar = BASIC[type.basic];
      if (!scalar) throw new Error(`${where}: no wire form for Go's ${type.basic} ${type.name}`);
      return { scalar };
    }
    case 'pointer':
      return typeRef(type.element, where);
    case 'map':
      return { map: typeRef(type.element, where) };
    case 'slice':
      if (type.element.kind === 'basic' && type.element.basic === 'uint8') return { scalar: 'bytes' };
      return { list: typeRef(type.element, where), ...(MESSAGE_SLICES.has(type.name) && { named: true }) };
    case 'struct': {
      const scalar = SPECIAL[goName(type)];
      if (scalar) return { scalar };
      const ref = typeName(type);
      if (!ref) throw new Error(`${where}: ${goName(type)} belongs to no served package`);
      return { ref };
    }
  }
}

function refuseStaleNames(types: ReadonlyMap<string, DeclaredType>): void {
  const { fields, types: structs } = namedPaths();
  const paths = new Set(
    [...types.values()].flatMap(({ name, fields: all }) => all.map((field) => `${name}.${field.name}`)),
  );
  const stale = [...fields.filter((path) => !paths.has(path)), ...structs.filter((name) => !types.has(name))];
  if (stale.length > 0) throw new Error(`list-types.ts names what the API no longer has: ${stale.join(', ')}`);
}
