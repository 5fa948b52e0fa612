/**
 * The types of custom resources, from the structural schema of their definition. What expressions cannot see (fields of
 * no known type, names that cannot be escaped) is left out. Source: Kubernetes documentation, "Validation rules"; sizes as
 * upstream estimates them.
 */
import type { JSONSchemaProps } from '../structural-schema/schema-parts.ts';
import { itemsOf, propertiesOf, propertyOf, valuesOf } from '../structural-schema/schema-parts.ts';
import { listAdapter, mapAdapter, nullable, objectAdapter, scalarAdapters } from './adapt.ts';
import * as cel from './cel-type.ts';
import {
  boolType,
  bytesType,
  type DeclaredField,
  type DeclaredType,
  doubleType,
  durationType,
  dynType,
  field,
  intType,
  listType,
  mapType,
  stringType,
  timestampType,
} from './declared-type.ts';
import { escapeName } from './escaping.ts';
import { MAX_REQUEST_SIZE_BYTES } from './limits.ts';
import type { Adapter, ListKind } from './value.ts';

export interface SchemaTypeOptions {
  /** The root of a custom resource: apiVersion, kind, metadata.name and metadata.generateName are always there. */
  isResourceRoot?: boolean;
  /**
   * What objects are called in messages, `selfType` unless told; their parts are `NAME.field`, `NAME.@idx`, `NAME.@elem`. Within
   * one environment objects of the same name have the same fields.
   */
  name?: string;
}

/** undefined for a schema that expressions cannot see, such as one with neither a type nor x-kubernetes-int-or-string. */
export function schemaType(schema: JSONSchemaProps, options: SchemaTypeOptions = {}): DeclaredType | undefined {
  const { isResourceRoot = false, name = 'selfType' } = options;
  return declare(schema, { isResource: isResourceRoot, name });
}

interface Place {
  /** Of the object type that this would be. */
  name: string;
  isResource: boolean;
}

function declare(schema: JSONSchemaProps, place: Place): DeclaredType | undefined {
  const declared = schema['x-kubernetes-int-or-string'] ? intOrString(schema) : declareTyped(schema, place);
  return declared && schema.nullable ? { ...declared, adapt: nullable(declared.adapt) } : declared;
}

function intOrString({ maxLength }: JSONSchemaProps): DeclaredType {
  const maxElements = maxLength === undefined ? MAX_REQUEST_SIZE_BYTES - 2 : Math.max(0, maxLength) * 4;
  return { ...dynType, adapt: scalarAdapters.intOrString, maxElements };
}

function declareTyped(schema: JSONSchemaProps, place: Place): DeclaredType | undefined {
  switch (schema.type) {
    case 'array':
      return declareList(schema, place);
    case 'object':
      return valuesOf(schema) ? declareMap(schema, place) : declareObject(schema, place);
    case 'string':
      return declareString(schema);
    case 'boolean':
      return boolType;
    case 'number':
      return doubleType;
    case 'integer':
      return intType;
    default:
      return undefined;
  }
}

const isEmbedded = (schema: JSONSchemaProps): boolean => schema['x-kubernetes-embedded-resource'] === true;

function declareList(schema: JSONSchemaProps, { name }: Place): DeclaredType | undefined {
  const items = itemsOf(schema);
  const item = items && declare(items, { name: `${name}.@idx`, isResource: isEmbedded(items) });
  if (!item) return undefined;
  const most = schema.maxItems ?? Math.floor((MAX_REQUEST_SIZE_BYTES - 2) / (item.minSerializedSize + 1));
  const list = listType(item, Math.max(0, most));
  return { ...list, minSerializedSize: 2, adapt: listAdapter(item.adapt, listKindOf(schema)) };
}

function listKindOf(schema: JSONSchemaProps): ListKind | undefined {
  switch (schema['x-kubernetes-list-type']) {
    case 'set':
      return { kind: 'set' };
    case 'map':
      return { kind: 'map', keys: schema['x-kubernetes-list-map-keys'] ?? [] };
    default:
      return undefined;
  }
}

function declareMap(schema: JSONSchemaProps, { name }: Place): DeclaredType | undefined {
  const values = valuesOf(schema)!;
  const value = declare(values, { name: `${name}.@elem`, isResource: isEmbedded(values) });
  if (!value) return undefined;
  const most = schema.maxProperties ?? Math.floor((MAX_REQUEST_SIZE_BYTES - 2) / (value.minSerializedSize + 6));
  return { ...mapType(stringType, value, Math.max(0, most)), adapt: mapAdapter(value.adapt) };
}

function declareObject(schema: JSONSchemaProps, place: Place): DeclaredType {
  const fields = new Map<string, DeclaredField>();
  const adapters = new Map<string, Adapter>();
  const required = new Set(schema.required);
  let minSerializedSize = 2; // {}
  for (const [name, property] of place.isResource ? withTypeAndMeta(schema) : propertiesOf(schema)) {
    const declared = declare(property, { name: `${place.name}.${name}`, isResource: isEmbedded(property) });
    if (!declared) continue;
    adapters.set(name, declared.adapt);
    const escaped = escapeName(name);
    if (escaped !== undefined) fields.set(escaped, field(declared, required.has(name)));
    const hasDefault = property.default !== undefined;
    if (required.has(name) && !hasDefault) minSerializedSize += utf8Length(name) + declared.minSerializedSize + 4;
  }
  const adapt = objectAdapter(adapters);
  return { type: cel.objectNamed(place.name), adapt, maxElements: 0, minSerializedSize, fields };
}

const STRING: JSONSchemaProps = { type: 'string' };

/** What every resource has, whatever its schema says. */
function withTypeAndMeta(schema: JSONSchemaProps): [string, JSONSchemaProps][] {
  const isString = (of: JSONSchemaProps | undefined, name: string) => of && propertyOf(of, name)?.type === 'string';
  const meta = propertyOf(schema, 'metadata');
  const isWhole = isString(schema, 'kind') && isString(schema, 'apiVersion') && meta?.type === 'object';
  if (isWhole && isString(meta, 'name') && isString(meta, 'generateName')) return propertiesOf(schema);
  const own = propertiesOf(schema).filter(([name]) => name !== 'apiVersion' && name !== 'kind' && name !== 'metadata');
  const metadata: JSONSchemaProps = { type: 'object', properties: { name: STRING, generateName: STRING } };
  return [...own, ['apiVersion', STRING], ['kind', STRING], ['metadata', metadata]];
}

const utf8Length = (text: string): number => new TextEncoder().encode(text).length;

/** Characters may take four bytes each; the JSON of a time or a duration has a known most. */
function declareString(schema: JSONSchemaProps): DeclaredType {
  const { maxLength, enum: values } = schema;
  const most = maxLength === undefined ? undefined : Math.max(0, maxLength);
  switch (schema.format) {
    case 'byte':
      return { ...bytesType, maxElements: most ?? MAX_REQUEST_SIZE_BYTES - 2 };
    case 'duration':
      return { ...durationType, maxElements: 32 };
    case 'date':
      return { ...timestampType, adapt: scalarAdapters.date, maxElements: 12, minSerializedSize: 12 };
    case 'date-time':
      return { ...timestampType, adapt: scalarAdapters.timestamp, maxElements: 32, minSerializedSize: 21 };
    default:
      return { ...stringType, maxElements: most !== undefined ? most * 4 : longestOf(values) };
  }
}

function longestOf(values: readonly unknown[] | undefined): number {
  if (!values || values.length === 0) return MAX_REQUEST_SIZE_BYTES - 2;
  return Math.max(0, ...values.map((value) => (typeof value === 'string' ? utf8Length(value) : 0)));
}
