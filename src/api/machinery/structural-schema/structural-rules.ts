/**
 * What makes a schema structural: the shape of every field is said once, outside of allOf, anyOf, oneOf and not, so that
 * pruning and defaulting know what they have before them. Source: "Extend the Kubernetes API with
 * CustomResourceDefinitions", specifying a structural schema; texts as upstream.
 */
import { isEqual } from '../equal.ts';
import { type FieldError, forbiddenField, invalidValue, requiredValue } from '../field-error.ts';
import { patternProblem } from './pattern.ts';
import { itemsOf, type JSONSchemaProps, propertiesOf, propertyOf, valuesOf } from './schema-parts.ts';

/** Sorted; empty for a schema that is structural. */
export function structuralErrors(schema: JSONSchemaProps, path: string): FieldError[] {
  const errors = [...shapeErrors(schema, path, 'root'), ...completenessErrors(schema, path)];
  const text = ({ field, message }: FieldError) => `${field}: ${message}`;
  return errors.sort((a, b) => (text(a) < text(b) ? -1 : 1));
}

type Level = 'root' | 'items' | 'field';

const WITHOUT_TYPE: Readonly<Record<Level, string>> = {
  root: 'must not be empty at the root',
  items: 'must not be empty for specified array items',
  field: 'must not be empty for specified object fields',
};

const keyed = (path: string, name: string): string => `${path}.properties[${name}]`;

function shapeErrors(schema: JSONSchemaProps, path: string, level: Level): FieldError[] {
  const items = itemsOf(schema);
  const values = valuesOf(schema);
  return [
    ...(schema.type === 'array' && !items ? [requiredValue(`${path}.items`, 'must be specified')] : []),
    ...(items ? shapeErrors(items, `${path}.items`, 'items') : []),
    ...propertiesOf(schema).flatMap(([name, property]) => shapeErrors(property, keyed(path, name), 'field')),
    ...(schema.additionalProperties !== undefined && level === 'root'
      ? [forbiddenField(`${path}.additionalProperties`, 'must not be used at the root')]
      : []),
    ...(values ? shapeErrors(values, `${path}.additionalProperties`, 'field') : []),
    ...intOrStringErrors(schema, path),
    ...typeErrors(schema, path, level),
    ...junctionErrors(schema, path),
    ...metadataErrors(schema, path, level),
  ];
}

function intOrStringErrors(schema: JSONSchemaProps, path: string): FieldError[] {
  if (!schema['x-kubernetes-int-or-string']) return [];
  return (['x-kubernetes-preserve-unknown-fields', 'x-kubernetes-embedded-resource'] as const)
    .filter((word) => schema[word])
    .map((word) => invalidValue(`${path}.${word}`, true, 'must be false if x-kubernetes-int-or-string is true'));
}

function typeErrors(schema: JSONSchemaProps, path: string, level: Level): FieldError[] {
  const { type } = schema;
  const keepsUnknown = schema['x-kubernetes-preserve-unknown-fields'];
  const errors: FieldError[] = [];
  if (schema['x-kubernetes-embedded-resource']) {
    const why = 'must be object if x-kubernetes-embedded-resource is true';
    if (!type) errors.push(requiredValue(`${path}.type`, why));
    else if (type !== 'object') errors.push(invalidValue(`${path}.type`, type, why));
    if (schema.additionalProperties)
      errors.push(
        forbiddenField(`${path}.additionalProperties`, 'must not be used if x-kubernetes-embedded-resource is set'),
      );
    if (!keepsUnknown && propertiesOf(schema).length === 0)
      errors.push(
        requiredValue(
          `${path}.properties`,
          'must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields',
        ),
      );
  } else if (!type && !schema['x-kubernetes-int-or-string'] && !keepsUnknown) {
    errors.push(requiredValue(`${path}.type`, WITHOUT_TYPE[level]));
  }
  if (level === 'root' && type && type !== 'object')
    errors.push(invalidValue(`${path}.type`, type, 'must be object at the root'));
  return errors;
}

function metadataErrors(schema: JSONSchemaProps, path: string, level: Level): FieldError[] {
  if (level !== 'root' && !schema['x-kubernetes-embedded-resource']) return [];
  const errors: FieldError[] = [];
  for (const name of ['kind', 'apiVersion']) {
    const property = propertyOf(schema, name);
    if (property && property.type !== 'string')
      errors.push(invalidValue(`${keyed(path, name)}.type`, property.type ?? '', 'must be string'));
  }
  const metadata = propertyOf(schema, 'metadata');
  if (metadata && metadata.type !== 'object')
    errors.push(invalidValue(`${keyed(path, 'metadata')}.type`, metadata.type ?? '', 'must be object'));
  if (metadata && level === 'root' && !saysOnlyNames(metadata))
    errors.push(
      forbiddenField(
        keyed(path, 'metadata'),
        'must not specify anything other than name and generateName, but metadata is implicitly specified',
      ),
    );
  return errors;
}

function saysOnlyNames({ type: _, default: __, properties = {}, ...others }: JSONSchemaProps): boolean {
  const names = Object.keys(properties);
  return (
    names.every((name) => name === 'name' || name === 'generateName') &&
    Object.values(others).every((value) => value === undefined)
  );
}

const INT_OR_STRING: readonly JSONSchemaProps[] = [{ type: 'integer' }, { type: 'string' }];
const isIntOrString = (schemas: readonly JSONSchemaProps[] | undefined): boolean => isEqual(schemas, INT_OR_STRING);

/** `mayName`: the place of an anyOf that may say `integer` and `string`: where a value is either. */
function junctionErrors(schema: JSONSchemaProps, path: string, mayNameTypes = true): FieldError[] {
  const { allOf = [], anyOf = [], oneOf = [], not, pattern } = schema;
  const problem = pattern === undefined ? undefined : patternProblem(pattern);
  const all = (schemas: readonly JSONSchemaProps[], word: string) =>
    schemas.flatMap((one, index) => nestedErrors(one, `${path}.${word}[${index}]`));
  return [
    ...(mayNameTypes && isIntOrString(anyOf) ? [] : all(anyOf, 'anyOf')),
    ...allOf.flatMap((one, index) =>
      nestedErrors(one, `${path}.allOf[${index}]`, mayNameTypes && index === 0 && isIntOrString(one.anyOf)),
    ),
    ...all(oneOf, 'oneOf'),
    ...(not ? nestedErrors(not, `${path}.not`) : []),
    ...(problem === undefined
      ? []
      : [invalidValue(`${path}.pattern`, pattern, `must be a valid regular expression, but isn't: ${problem}`)]),
  ];
}

const NOT_NESTED: readonly [word: keyof JSONSchemaProps, why: string][] = [
  ['type', 'must be empty to be structural'],
  ['additionalProperties', 'must be undefined to be structural'],
  ['default', 'must be undefined to be structural'],
  ['title', 'must be empty to be structural'],
  ['description', 'must be empty to be structural'],
  ['nullable', 'must be false to be structural'],
  ['externalDocs', 'must be undefined to be structural'],
  ['x-kubernetes-preserve-unknown-fields', 'must be false to be structural'],
  ['x-kubernetes-embedded-resource', 'must be false to be structural'],
  ['x-kubernetes-int-or-string', 'must be false to be structural'],
  ['x-kubernetes-list-map-keys', 'must be empty to be structural'],
  ['x-kubernetes-list-type', 'must be undefined to be structural'],
  ['x-kubernetes-map-type', 'must be undefined to be structural'],
  ['x-kubernetes-validations', 'must be empty to be structural'],
];

/** A schema under allOf, anyOf, oneOf or not may judge values only. */
function nestedErrors(schema: JSONSchemaProps, path: string, mayNameTypes = false): FieldError[] {
  const items = itemsOf(schema);
  return [
    ...junctionErrors(schema, path, mayNameTypes),
    ...(items ? nestedErrors(items, `${path}.items`) : []),
    ...propertiesOf(schema).flatMap(([name, property]) => nestedErrors(property, keyed(path, name))),
    ...NOT_NESTED.filter(([word]) => isSaid(schema[word])).map(([word, why]) => forbiddenField(`${path}.${word}`, why)),
    ...(propertyOf(schema, 'metadata')
      ? [forbiddenField(keyed(path, 'metadata'), 'must not be specified in a nested context')]
      : []),
  ];
}

const isSaid = (value: unknown): boolean =>
  Array.isArray(value) ? value.length > 0 : value !== undefined && value !== null && value !== false && value !== '';

/** Whatever is judged under allOf, anyOf, oneOf and not must have its shape outside of them. */
function completenessErrors(schema: JSONSchemaProps, path: string): FieldError[] {
  const items = itemsOf(schema);
  const values = valuesOf(schema);
  return [
    ...missingFrom(schema, schema, { shape: path, judged: path }),
    ...(items ? completenessErrors(items, `${path}.items`) : []),
    ...propertiesOf(schema).flatMap(([name, property]) => completenessErrors(property, keyed(path, name))),
    ...(values ? completenessErrors(values, `${path}.additionalProperties`) : []),
  ];
}

interface Paths {
  shape: string;
  judged: string;
}

function missingFrom(judged: JSONSchemaProps, shape: JSONSchemaProps | undefined, at: Paths): FieldError[] {
  return junctionsOf(judged).flatMap(([word, schema]) =>
    missingOf(schema, shape, { ...at, judged: `${at.judged}.${word}` }),
  );
}

function missingOf(judged: JSONSchemaProps, shape: JSONSchemaProps | undefined, at: Paths): FieldError[] {
  if (!shape) return [requiredValue(at.shape, `because it is defined in ${at.judged}`)];
  const items = itemsOf(judged);
  const below = (path: string, word: string) => ({ shape: `${at.shape}${word}`, judged: `${path}${word}` });
  return [
    ...(items ? missingOf(items, itemsOf(shape), below(at.judged, '.items')) : []),
    ...propertiesOf(judged).flatMap(([name, property]) =>
      missingOf(property, propertyOf(shape, name), below(at.judged, `.properties[${name}]`)),
    ),
    ...missingFrom(judged, shape, at),
  ];
}

function junctionsOf({ allOf = [], anyOf = [], oneOf = [], not }: JSONSchemaProps): [string, JSONSchemaProps][] {
  const all = (word: string, schemas: readonly JSONSchemaProps[]) =>
    schemas.map((schema, index): [string, JSONSchemaProps] => [`${word}[${index}]`, schema]);
  return [
    ...all('allOf', allOf),
    ...all('anyOf', anyOf),
    ...all('oneOf', oneOf),
    ...(not ? [['not', not] as [string, JSONSchemaProps]] : []),
  ];
}
