/**
 * What a schema in a CustomResourceDefinition may say. Source: API reference of CustomResourceDefinition v1; texts as
 * upstream.
 */
import { type FieldError, forbiddenField, invalidValue, notSupportedValue, requiredValue } from '../field-error.ts';
import { defaultErrors } from './default-rules.ts';
import { rootLimitErrors } from './root-limits.ts';
import { ruleErrors } from './rule-definitions.ts';
import { ruleTextErrors } from './rule-texts.ts';
import { itemsOf, type JSONSchemaProps, propertiesOf, propertyOf, valuesOf } from './schema-parts.ts';
import { structuralErrors } from './structural-rules.ts';
import { repeatedIn } from '#api/machinery/repeated.ts';

/** Nobody writes schemas this deep or long; recursion stays small and one object's validation bounded. */
const MAX_DEPTH = 100;
const MAX_SCHEMAS = 20_000;

/** `path` of the schema itself: `spec.validation.openAPIV3Schema`. All errors at once. */
export function validateSchema(schema: JSONSchemaProps, path: string, { hasStatus = false } = {}): FieldError[] {
  if (isTooLarge(schema))
    return [
      forbiddenField(path, `must not be deeper than ${MAX_DEPTH} levels or hold more than ${MAX_SCHEMAS} schemas`),
    ];
  const limits = hasStatus ? rootLimitErrors(schema, path) : [];
  const shapeErrors = [...limits, ...rootErrors(schema, path), ...structuralErrors(schema, path)];
  const errors = [...shapeErrors, ...keywordErrors(schema, { path, isRoot: true })];
  if (shapeErrors.length > 0) return errors;
  const defaults = errors.length > 0 ? [] : defaultErrors(schema, path);
  if (defaults.length > 0) return defaults;
  const isBad = (place: string) => errors.some(({ field }) => field === place || field.startsWith(`${place}.`));
  return [...errors, ...ruleErrors(schema, path, isBad)];
}

function isTooLarge(root: JSONSchemaProps): boolean {
  let count = 0;
  const waiting: { schema: JSONSchemaProps; depth: number }[] = [{ schema: root, depth: 1 }];
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const depth = next.depth + 1;
    if (++count > MAX_SCHEMAS || next.depth > MAX_DEPTH) return true;
    for (const [, schema] of childrenOf(next.schema)) waiting.push({ schema, depth });
  }
  return false;
}

/** All schemas directly inside, with how upstream's messages call the way to them. */
function childrenOf(schema: JSONSchemaProps): [string, JSONSchemaProps][] {
  const { allOf = [], anyOf = [], oneOf = [], not } = schema;
  const each = (word: string, schemas: readonly JSONSchemaProps[]) =>
    schemas.map((one, index): [string, JSONSchemaProps] => [`.${word}[${index}]`, one]);
  const values = valuesOf(schema);
  const items = itemsOf(schema);
  return [
    ...(values ? each('', [values]).map(([, one]): [string, JSONSchemaProps] => ['.additionalProperties', one]) : []),
    ...(not ? [['.not', not] as [string, JSONSchemaProps]] : []),
    ...each('allOf', allOf),
    ...each('oneOf', oneOf),
    ...each('anyOf', anyOf),
    ...propertiesOf(schema).map(([name, one]): [string, JSONSchemaProps] => [`.properties[${name}]`, one]),
    ...(items ? [['.items', items] as [string, JSONSchemaProps]] : []),
  ];
}

function rootErrors(schema: JSONSchemaProps, path: string): FieldError[] {
  return schema.nullable ? [forbiddenField(`${path}.nullable`, 'nullable cannot be true at the root')] : [];
}

const UNSUPPORTED = [
  'definitions',
  'dependencies',
  'patternProperties',
  'additionalItems',
  '$ref',
  'id',
] as const satisfies readonly (keyof JSONSchemaProps)[];

const TYPES = ['array', 'boolean', 'integer', 'number', 'object', 'string'];

interface Place {
  path: string;
  isRoot?: boolean;
  insideMetadata?: boolean;
  /** Why there may be no default here. */
  noDefault?: string;
}

function keywordErrors(schema: JSONSchemaProps, place: Place): FieldError[] {
  const { type, additionalProperties } = schema;
  const { path, noDefault } = place;
  const errors: FieldError[] = [];
  const forbid = (word: string, why: string) => errors.push(forbiddenField(`${path}.${word}`, why));
  if (type && !TYPES.includes(type)) errors.push(notSupportedValue(`${path}.type`, type, TYPES));
  if (isSet(schema.default) && noDefault) forbid('default', `must not be set ${noDefault}`);
  for (const word of UNSUPPORTED) if (schema[word] !== undefined) forbid(word, `${word} is not supported`);
  if (type === 'null') forbid('type', 'type cannot be set to null, use nullable as an alternative');
  if (Array.isArray(schema.items)) forbid('items', 'items must be a schema object and not an array');
  if (place.insideMetadata && schema['x-kubernetes-embedded-resource'])
    forbid('x-kubernetes-embedded-resource', 'must not be used inside of resource meta');
  if (schema.uniqueItems)
    forbid('uniqueItems', 'uniqueItems cannot be set to true since the runtime complexity becomes quadratic');
  if (additionalProperties !== undefined && additionalProperties !== true && propertiesOf(schema).length > 0)
    forbid('additionalProperties', 'additionalProperties and properties are mutual exclusive');
  return [
    ...errors,
    ...childrenOf(schema).flatMap(([word, child]) => keywordErrors(child, placeOf(schema, word, place))),
    ...listErrors(schema, path),
    ...extensionErrors(schema, path),
    ...ruleTextErrors(schema, path),
  ];
}

const isSet = (value: unknown): boolean => value !== undefined && value !== null;

function placeOf(schema: JSONSchemaProps, word: string, { isRoot, ...place }: Place): Place {
  const inner: Place = { ...place, path: place.path + word };
  const [, name] = /^\.properties\[(apiVersion|kind|metadata)\]$/.exec(word) ?? [];
  if (name && (isRoot || schema['x-kubernetes-embedded-resource']))
    return { ...inner, insideMetadata: true, ...(isRoot && { noDefault: `in top-level ${name}` }) };
  if (word === '.additionalProperties' && place.insideMetadata)
    return { ...inner, noDefault: 'inside additionalProperties applying to object metadata' };
  return inner;
}

const PRESERVE = 'x-kubernetes-preserve-unknown-fields';

function extensionErrors(schema: JSONSchemaProps, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (schema[PRESERVE] === false) errors.push(invalidValue(`${path}.${PRESERVE}`, false, 'must be true or undefined'));
  const mapType = schema['x-kubernetes-map-type'];
  const at = `${path}.x-kubernetes-map-type`;
  if (mapType !== undefined && schema.type !== 'object')
    errors.push(
      schema.type
        ? invalidValue(`${path}.type`, schema.type, 'must be object if x-kubernetes-map-type is specified')
        : requiredValue(`${path}.type`, 'must be object if x-kubernetes-map-type is specified'),
    );
  if (mapType !== undefined && !['atomic', 'granular'].includes(mapType))
    errors.push(notSupportedValue(at, mapType, ['atomic', 'granular']));
  return errors;
}

function listErrors(schema: JSONSchemaProps, path: string): FieldError[] {
  const type = schema['x-kubernetes-list-type'];
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  const errors: FieldError[] = [];
  if (type !== undefined && schema.type !== 'array')
    errors.push(
      schema.type
        ? invalidValue(`${path}.type`, schema.type, 'must be array if x-kubernetes-list-type is specified')
        : requiredValue(`${path}.type`, 'must be array if x-kubernetes-list-type is specified'),
    );
  if (type !== undefined && !['atomic', 'set', 'map'].includes(type))
    errors.push(notSupportedValue(`${path}.x-kubernetes-list-type`, type, ['atomic', 'set', 'map']));
  if (keys.length > 0 && type !== 'map')
    errors.push(
      type
        ? invalidValue(`${path}.x-kubernetes-list-type`, type, 'must be map if x-kubernetes-list-map-keys is non-empty')
        : requiredValue(`${path}.x-kubernetes-list-type`, 'must be map if x-kubernetes-list-map-keys is non-empty'),
    );
  if (type === 'set' || type === 'map') errors.push(...itemErrors(schema, type, `${path}.items`));
  return type === 'map' ? [...errors, ...mapKeyErrors(schema, keys, path)] : errors;
}

function itemErrors(schema: JSONSchemaProps, type: 'set' | 'map', path: string): FieldError[] {
  const items = itemsOf(schema);
  const errors: FieldError[] = [];
  const ATOMIC = 'must be atomic as item of a list with x-kubernetes-list-type=set';
  const [list, map] = [items?.['x-kubernetes-list-type'], items?.['x-kubernetes-map-type']];
  if (type === 'set' && items?.type === 'array' && list !== undefined && list !== 'atomic')
    errors.push(invalidValue(`${path}.x-kubernetes-list-type`, list, ATOMIC));
  if (type === 'set' && items?.type === 'object' && map !== 'atomic')
    errors.push(invalidValue(`${path}.x-kubernetes-map-type`, list ?? null, ATOMIC));
  if (items?.nullable)
    errors.push(forbiddenField(`${path}.nullable`, `cannot be nullable when x-kubernetes-list-type is ${type}`));
  return errors;
}

function mapKeyErrors(schema: JSONSchemaProps, keys: readonly string[], path: string): FieldError[] {
  const at = `${path}.x-kubernetes-list-map-keys`;
  const items = itemsOf(schema);
  const none = keys.length === 0 ? [requiredValue(at, 'must not be empty if x-kubernetes-list-type is map')] : [];
  return [...none, ...(items ? keysOfItemsErrors(items, keys, path) : noItems(path))];
}

const noItems = (path: string): FieldError[] => [
  requiredValue(`${path}.items`, 'must have a schema if x-kubernetes-list-type is map'),
];

function keysOfItemsErrors(items: JSONSchemaProps, keys: readonly string[], path: string): FieldError[] {
  const at = `${path}.x-kubernetes-list-map-keys`;
  if (items.type !== 'object')
    return [
      invalidValue(
        `${path}.items.type`,
        items.type ?? '',
        "must be object if parent array's x-kubernetes-list-type is map",
      ),
    ];
  const repeated = repeatedIn(keys);
  return keys.flatMap((key, index) => [
    ...keyErrors(items, key, path),
    ...(propertyOf(items, key) ? [] : [invalidValue(at, keys, 'entries must all be names of item properties')]),
    ...(repeated.has(index) ? [invalidValue(at, keys, 'must not contain duplicate entries')] : []),
  ]);
}

function keyErrors(items: JSONSchemaProps, key: string, path: string): FieldError[] {
  const property = propertyOf(items, key);
  if (!property) return [];
  const at = `${path}.items.properties[${key}]`;
  const errors: FieldError[] = [];
  if (property.type === 'object' || property.type === 'array')
    errors.push(
      invalidValue(`${at}.type`, items.type, "must be a scalar type if parent array's x-kubernetes-list-type is map"),
    );
  if (!items.required?.includes(key) && !isSet(property.default))
    errors.push(
      requiredValue(
        `${at}.default`,
        'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property',
      ),
    );
  if (property.nullable)
    errors.push(
      forbiddenField(`${at}.nullable`, 'this property is in x-kubernetes-list-map-keys, so it cannot be nullable'),
    );
  return errors;
}
