/**
 * The schema of a custom kind as OpenAPI documents show it: with the metadata of every object, and for version 2 less
 * what clients of that version cannot read. Source: upstream's controller/openapi/builder and v2 conversion.
 */
import { childOf, isMap, isTypeOrMetadata, type JSONSchemaProps } from './schema-parts.ts';

type Published = Record<string, unknown>;

export interface PublishedSchemaOptions {
  version: 2 | 3;
  /** Where ObjectMeta is defined: what stands in `$ref`. */
  objectMeta: string;
}

const TYPE_META: Readonly<Record<string, Published>> = {
  apiVersion: {
    type: 'string',
    description:
      'APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources',
  },
  kind: {
    type: 'string',
    description:
      'Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds',
  },
};

const METADATA = `Standard object's metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata`;

/** Words that version 2 has no place for. */
const NOT_IN_V2 = ['allOf', 'anyOf', 'oneOf', 'not', 'nullable', 'default'];

export function publishedSchema(schema: JSONSchemaProps, options: PublishedSchemaOptions): Published {
  // A reader of version 2 refuses what is not named as soon as anything is.
  if (options.version === 2 && schema['x-kubernetes-preserve-unknown-fields']) return { type: 'object' };
  const own = published(schema, options);
  const given = isMap(own['properties']) ? own['properties'] : {};
  const reference = { $ref: options.objectMeta };
  return {
    ...own,
    type: 'object',
    properties: {
      ...Object.fromEntries(Object.entries(given).filter(([name]) => !isTypeOrMetadata(name))),
      ...TYPE_META,
      metadata:
        options.version === 2 ? { ...reference, description: METADATA } : { description: METADATA, allOf: [reference] },
    },
  };
}

/** A copy of what is in the schema, words whose value is undefined left out. */
function published(schema: JSONSchemaProps, options: PublishedSchemaOptions): Published {
  const words = Object.entries(schema).filter(([, value]) => value !== undefined);
  const known = options.version === 2 ? words.filter(([word]) => !NOT_IN_V2.includes(word)) : words;
  const copy: Published = Object.fromEntries(known.map(([word, value]) => [word, publishedWord(word, value, options)]));
  if (options.version === 2) makeReadableInV2(copy, schema);
  return copy;
}

/** A reader of version 2 drops what the schema does not name, and knows no value of several types. */
function makeReadableInV2(copy: Published, schema: JSONSchemaProps): void {
  if (schema['x-kubernetes-int-or-string']) delete copy['type'];
  if (schema.nullable || schema['x-kubernetes-preserve-unknown-fields'])
    for (const word of ['properties', 'items', 'type']) delete copy[word];
  const required = schema.required?.filter((name) => !childOf(schema, name)?.nullable) ?? [];
  if (required.length > 0) copy['required'] = required;
  else delete copy['required'];
}

function publishedWord(word: string, value: unknown, options: PublishedSchemaOptions): unknown {
  const one = (schema: unknown) => (isMap(schema) ? published(schema as JSONSchemaProps, options) : schema);
  if (word === 'properties' && isMap(value))
    return Object.fromEntries(Object.entries(value).map(([name, schema]) => [name, one(schema)]));
  if (word === 'items' || word === 'additionalProperties' || word === 'not') return one(value);
  if (Array.isArray(value) && ['allOf', 'anyOf', 'oneOf'].includes(word)) return value.map(one);
  return value;
}
