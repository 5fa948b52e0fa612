/**
 * Takes away what a schema does not name. Source: "Extend the Kubernetes API with CustomResourceDefinitions", field
 * pruning; details as upstream's pruning algorithm.
 */
import { facts } from '#api/generated/facts.ts';
import { normalise } from '../normalise.ts';
import {
  isMap,
  isTypeOrMetadata,
  itemsOf,
  type JSONSchemaProps,
  type JsonMap,
  mapFields,
  mapItems,
  propertyOf,
  under,
  valuesOf,
} from './schema-parts.ts';

/** As many are named to the client; all are taken away. */
const MAX_UNKNOWN_FIELDS = 100;

export interface Pruned<T> {
  value: T;
  /** Paths of what was taken away: `spec.foo`, `spec.list[0].bar`; sorted, those of metadata inside others last. */
  unknownFields: readonly string[];
}

/** Of a whole object: apiVersion, kind and metadata stay. Nothing is changed in place. */
export function pruneObject(schema: JSONSchemaProps, object: JsonMap): Pruned<JsonMap> {
  const { value, unknownFields } = pruneValue({ ...schema, 'x-kubernetes-embedded-resource': true }, object);
  return { value: value as JsonMap, unknownFields };
}

export function pruneValue(schema: JSONSchemaProps, value: unknown): Pruned<unknown> {
  const own: string[] = [];
  const ofMetadata: string[] = [];
  const keep = (fields: string[]) => (path: string) => {
    if (fields.length < MAX_UNKNOWN_FIELDS) fields.push(path);
  };
  const place = { path: '', forget: keep(own), forgetMetadata: keep(ofMetadata) };
  const left = pruned(value, schema, place);
  return { value: left, unknownFields: [...own.sort(), ...ofMetadata] };
}

interface Place {
  path: string;
  forget(path: string): void;
  /** A field of the metadata of a resource inside another. */
  forgetMetadata(path: string): void;
  /** Inside a list of a schema that keeps what it does not know. */
  keepsUnknown?: boolean;
}

/** Without a schema (`additionalProperties: true`) scalars stay and fields go. */
function pruned(value: unknown, schema: JSONSchemaProps | undefined, place: Place): unknown {
  const keepsUnknown = place.keepsUnknown || schema?.['x-kubernetes-preserve-unknown-fields'] === true;
  if (Array.isArray(value)) {
    if (keepsUnknown && !schema) return value;
    return mapItems(value, (item, index) =>
      pruned(item, schema && itemsOf(schema), { ...place, keepsUnknown, path: `${place.path}[${index}]` }),
    );
  }
  if (!isMap(value) || (keepsUnknown && !schema)) return value;
  return mapFields(value, (field, name) => {
    if (schema?.['x-kubernetes-embedded-resource'] && isTypeOrMetadata(name))
      return name === 'metadata' && place.path ? prunedMetadata(field, place) : field;
    const inner = { ...place, keepsUnknown: false, path: under(place.path, name) };
    const property = schema && propertyOf(schema, name);
    if (property) return pruned(field, property, inner);
    if (schema?.additionalProperties) return pruned(field, valuesOf(schema), inner);
    if (keepsUnknown) return field;
    place.forget(inner.path);
    return undefined;
  });
}

/** Of a resource inside another; the whole object's own has its shape already. What does not fit stays for validation. */
function prunedMetadata(metadata: unknown, { path, forgetMetadata }: Place): unknown {
  const shaped = normalise(facts, facts.type('meta.v1.ObjectMeta')!, metadata);
  if ('problem' in shaped) return metadata;
  for (const field of shaped.unknownFields) forgetMetadata(`${path}.metadata.${field}`);
  return shaped.object;
}
