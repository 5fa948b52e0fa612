/**
 * Objects inside an object that are resources themselves must say what they are, and have the metadata that all have.
 * Source: x-kubernetes-embedded-resource; texts as upstream's schema/objectmeta.
 */
import { facts } from '#api/generated/facts.ts';
import { type FieldError, invalidValue, requiredValue } from '../field-error.ts';
import { root } from '../field-path.ts';
import { dns1035Label, pathSegment } from '../names.ts';
import { normalise } from '../normalise.ts';
import type { ObjectMeta } from '../object.ts';
import { validateObjectMeta } from '../object-meta.ts';
import { collectErrors } from './collect-errors.ts';
import {
  isMap,
  itemsOf,
  type JSONSchemaProps,
  type JsonMap,
  propertiesOf,
  propertyOf,
  under,
  valuesOf,
} from './schema-parts.ts';

interface Placed {
  /** Empty for a whole object. */
  path: string;
  value: unknown;
}

/** Whether values of it can hold resources, or are ones. */
export const holdsEmbedded = (schema: JSONSchemaProps): boolean =>
  schema['x-kubernetes-embedded-resource'] === true ||
  [itemsOf(schema), valuesOf(schema), ...propertiesOf(schema).map(([, property]) => property)].some(
    (child) => child !== undefined && holdsEmbedded(child),
  );

/** As the schema of a resource, whatever it says itself. */
export const asResource = (schema: JSONSchemaProps): JSONSchemaProps => ({
  ...schema,
  'x-kubernetes-embedded-resource': true,
});

/** Of all resources in the value, and of itself where the schema says that it is one. */
export function validateEmbedded(schema: JSONSchemaProps, { path, value }: Placed): FieldError[] {
  const own = schema['x-kubernetes-embedded-resource'] && isMap(value) ? resourceErrors(value, path) : [];
  return [
    ...own,
    ...collectErrors([...partsOf(schema, { path, value })], ([child, placed]) => validateEmbedded(child, placed)),
  ];
}

/** The first thing that has not the type that it has in every resource: whoever sends such is not understood. */
export function embeddedMisfit(schema: JSONSchemaProps, { path, value }: Placed): FieldError | undefined {
  const own = schema['x-kubernetes-embedded-resource'] && isMap(value) ? misfitOf(value, path) : undefined;
  if (own) return own;
  for (const [child, placed] of partsOf(schema, { path, value })) {
    const misfit = embeddedMisfit(child, placed);
    if (misfit) return misfit;
  }
  return undefined;
}

function* partsOf(schema: JSONSchemaProps, { path, value }: Placed): Iterable<[JSONSchemaProps, Placed]> {
  if (Array.isArray(value)) {
    const items = itemsOf(schema);
    if (items) for (const [index, item] of value.entries()) yield [items, { path: `${path}[${index}]`, value: item }];
  } else if (isMap(value)) {
    const values = valuesOf(schema);
    for (const name of Object.keys(value)) {
      const property = propertyOf(schema, name);
      if (property) yield [property, { path: under(path, name), value: value[name] }];
      else if (values) yield [values, { path: `${path}[${name}]`, value: value[name] }];
    }
  }
}

function misfitOf(value: JsonMap, path: string): FieldError | undefined {
  for (const field of ['apiVersion', 'kind'])
    if (Object.hasOwn(value, field) && typeof value[field] !== 'string')
      return invalidValue(under(path, field), value[field], 'must be a string');
  const { problem } = metadataOf(value);
  return problem === undefined ? undefined : invalidValue(under(path, 'metadata'), value['metadata'], problem);
}

function resourceErrors(value: JsonMap, path: string): FieldError[] {
  const missing = ['apiVersion', 'kind'].filter((field) => !Object.hasOwn(value, field));
  return [
    ...missing.map((field) => requiredValue(under(path, field))),
    ...(Object.hasOwn(value, 'apiVersion') ? apiVersionErrors(value['apiVersion'], under(path, 'apiVersion')) : []),
    ...(Object.hasOwn(value, 'kind') ? kindErrors(value['kind'], under(path, 'kind')) : []),
    ...metadataErrors(value, under(path, 'metadata')),
  ];
}

function apiVersionErrors(apiVersion: unknown, at: string): FieldError[] {
  if (typeof apiVersion !== 'string') return [invalidValue(at, apiVersion, 'must be a string')];
  if (!apiVersion) return [invalidValue(at, apiVersion, 'must not be empty')];
  return apiVersion.split('/').length > 2
    ? [invalidValue(at, apiVersion, `unexpected GroupVersion string: ${apiVersion}`)]
    : [];
}

function kindErrors(kind: unknown, at: string): FieldError[] {
  if (typeof kind !== 'string') return [invalidValue(at, kind, 'must be a string')];
  if (!kind) return [invalidValue(at, kind, 'must not be empty')];
  const problems = dns1035Label(kind.toLowerCase()).join(',');
  return problems ? [invalidValue(at, kind, `may have mixed case, but should otherwise match: ${problems}`)] : [];
}

function metadataErrors(value: JsonMap, at: string): FieldError[] {
  const { metadata, problem } = metadataOf(value);
  if (problem !== undefined) return [invalidValue(at, value['metadata'], problem)];
  if (!metadata) return [];
  // Resources inside others need no name.
  return validateObjectMeta(
    { ...metadata, name: metadata.name || 'fakename' },
    { scope: metadata.namespace ? 'Namespaced' : 'Cluster', name: pathSegment },
    root<ObjectMeta>(at),
  );
}

/** What it holds that is metadata; nothing where there is none. */
function metadataOf(value: JsonMap): { metadata?: ObjectMeta; problem?: string } {
  if (!Object.hasOwn(value, 'metadata')) return {};
  const shaped = normalise(facts, facts.type('meta.v1.ObjectMeta')!, value['metadata'] ?? {});
  return 'problem' in shaped ? shaped : { metadata: shaped.object as unknown as ObjectMeta };
}
