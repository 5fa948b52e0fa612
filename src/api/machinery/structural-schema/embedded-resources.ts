/** Objects inside an object that are resources themselves must say what they are. Source: x-kubernetes-embedded-resource. */
import { isEqual } from '../equal.ts';
import { type FieldError, requiredValue, typeInvalid } from '../field-error.ts';
import { collectErrors } from './collect-errors.ts';
import { childOf, isMap, isTypeOrMetadata, itemsOf, type JSONSchemaProps } from './schema-parts.ts';
import type { Placed } from './validate-value.ts';

/** Below `value`, not of it: the whole object is checked by its kind. Not again for what an update left as it was. */
export function validateEmbedded(schema: JSONSchemaProps, { path, value, old }: Placed): FieldError[] {
  if (old !== undefined && isEqual(value, old)) return [];
  if (Array.isArray(value)) {
    const items = itemsOf(schema);
    return items ? collectErrors(value, (item, i) => validateOne(items, { path: `${path}[${i}]`, value: item })) : [];
  }
  if (!isMap(value)) return [];
  const before = isMap(old) ? old : {};
  return collectErrors(Object.keys(value), (name) => {
    const child = path === '' && isTypeOrMetadata(name) ? undefined : childOf(schema, name);
    const was = Object.hasOwn(before, name) ? before[name] : undefined;
    return child ? validateOne(child, { path: path ? `${path}.${name}` : name, value: value[name], old: was }) : [];
  });
}

function validateOne(schema: JSONSchemaProps, placed: Placed): FieldError[] {
  const { path, value, old } = placed;
  const errors = validateEmbedded(schema, placed);
  if (!schema['x-kubernetes-embedded-resource'] || !isMap(value) || (old !== undefined && isEqual(value, old)))
    return errors;
  for (const field of ['apiVersion', 'kind'])
    if (typeof value[field] !== 'string' || !value[field])
      errors.push(requiredValue(`${path}.${field}`, 'must not be empty'));
  if (value['metadata'] !== undefined && !isMap(value['metadata']))
    errors.push(typeInvalid(`${path}.metadata`, value['metadata'], 'must be an object'));
  return errors;
}
