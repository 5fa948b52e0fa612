/**
 * The parts of a configuration that could only be replaced as a whole: whoever writes some fields of one seldom means to
 * take away the others. Paths as upstream prints them.
 */
import { isJsonObject, type Json } from '#api/machinery/json-value.ts';
import { fieldOfShape, type Shape } from '#api/machinery/managed-fields/field-shape.ts';

/** `.spec.template.spec.containers[0].args`. */
export function atomicParts(value: Json, shape: Shape, path = ''): string[] {
  if (Array.isArray(value)) {
    if (shape.form === 'leaf') return [path];
    return shape.form === 'items'
      ? value.flatMap((item: Json, index) => atomicParts(item, shape.item, `${path}[${index}]`))
      : [];
  }
  if (!isJsonObject(value)) return [];
  if (shape.form === 'leaf') return [path];
  if (shape.form !== 'struct' && shape.form !== 'map') return [];
  return Object.entries(value).flatMap(([name, field]) => {
    const of = fieldOfShape(shape, name);
    return of ? atomicParts(field, of, `${path}.${name}`) : [];
  });
}
