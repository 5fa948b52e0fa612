/**
 * The shape of a custom kind's objects by the schema of its definition: which lists are sets or maps, which maps are one value.
 * Where the schema says nothing, it is deduced. Source: "Server-Side Apply", merge strategy of custom resources; kube-openapi,
 * schemaconv.
 */
import type { Facts } from '../facts.ts';
import {
  childOf,
  itemsOf,
  type JSONSchemaProps,
  propertiesOf,
  propertyOf,
  valuesOf,
} from '../structural-schema/schema-parts.ts';
import {
  DEDUCED,
  type FieldShape,
  LEAF,
  type Shape,
  scalarShape,
  setOf,
  shapeOfType,
  wholeShape,
} from './field-shape.ts';

const shapes = new WeakMap<JSONSchemaProps, Shape>();

/** Of whole objects: their metadata has the shape that all have. The same for the same schema. */
export function shapeOfSchema(facts: Facts, schema: JSONSchemaProps): Shape {
  const known = shapes.get(schema);
  if (known) return known;
  const shape = resource(facts, schema);
  shapes.set(schema, shape);
  return shape;
}

function resource(facts: Facts, schema: JSONSchemaProps): Shape {
  const typeAndMetadata: [string, () => Shape][] = [
    ['apiVersion', () => scalarShape('string')],
    ['kind', () => scalarShape('string')],
    ['metadata', () => shapeOfType(facts, 'meta.v1.ObjectMeta')],
  ];
  const own = propertiesOf(schema).filter(([name]) => !typeAndMetadata.some(([taken]) => taken === name));
  return fieldsShape(schema, [
    ...typeAndMetadata,
    ...own.map(([name, property]): [string, () => Shape] => [name, () => valueShape(facts, property)]),
  ]);
}

function valueShape(facts: Facts, schema: JSONSchemaProps): Shape {
  if (schema['x-kubernetes-int-or-string']) return LEAF;
  if (schema.type === 'array') return listShape(facts, schema);
  if (schema['x-kubernetes-embedded-resource'])
    return schema['x-kubernetes-map-type'] === 'atomic'
      ? wholeShape(() => ({ parts: resource(facts, schema) }))
      : resource(facts, schema);
  if (schema.type === 'object') return mapShape(facts, schema);
  if (schema['x-kubernetes-preserve-unknown-fields']) return DEDUCED;
  return scalarOf(schema);
}

/** A text of a format is not looked at as closely: it may be no text elsewhere (`int-or-string`). */
function scalarOf({ type, format = '' }: JSONSchemaProps): Shape {
  switch (type) {
    case 'integer':
    case 'number':
      return scalarShape('numeric');
    case 'boolean':
      return scalarShape('boolean');
    case 'string':
      return scalarShape(format === '' || format === 'byte' ? 'string' : 'scalar');
    default:
      return LEAF;
  }
}

function listShape(facts: Facts, schema: JSONSchemaProps): Shape {
  const items = itemsOf(schema);
  const type = schema['x-kubernetes-list-type'];
  if (type === 'set') return setOf(items && valueShape(facts, items));
  if (!items) return LEAF;
  if (type !== 'map') return wholeShape(() => ({ items: valueShape(facts, items) }));
  const keys = [...(schema['x-kubernetes-list-map-keys'] ?? [])].sort();
  const defaults = keys.flatMap((key) => {
    const value = propertyOf(items, key)?.default;
    return value === undefined ? [] : [[key, value] as const];
  });
  return { form: 'items', keys, keyDefaults: Object.fromEntries(defaults), item: valueShape(facts, items) };
}

function mapShape(facts: Facts, schema: JSONSchemaProps): Shape {
  if (schema['x-kubernetes-map-type'] === 'atomic') return wholeShape(() => ({ parts: granularShape(facts, schema) }));
  return granularShape(facts, schema);
}

function granularShape(facts: Facts, schema: JSONSchemaProps): Shape {
  const properties = propertiesOf(schema);
  if (properties.length > 0)
    return fieldsShape(
      schema,
      properties.map(([name]) => [name, () => valueShape(facts, childOf(schema, name)!)]),
    );
  const values = valuesOf(schema);
  if (values) return { form: 'map', known: new Map(), others: valueShape(facts, values), isStruct: false };
  return DEDUCED;
}

/** Fields that the schema does not name are no fields of the type, unless it preserves them. */
function fieldsShape(schema: JSONSchemaProps, makers: readonly [string, () => Shape][]): Shape {
  if (schema['x-kubernetes-preserve-unknown-fields'])
    return {
      form: 'map',
      known: new Map(makers.map(([name, make]) => [name, make()])),
      others: DEDUCED,
      isStruct: true,
    };
  const fields = makers.map(([name, make]) => fieldOf(name, make)).sort((a, b) => (a.name < b.name ? -1 : 1));
  return { form: 'struct', fields, byName: new Map(fields.map((field) => [field.name, field])) };
}

function fieldOf(name: string, make: () => Shape): FieldShape {
  let shape: Shape | undefined;
  return {
    name,
    element: `f:${name}`,
    zero: undefined,
    get shape() {
      shape ??= make(); // large schemas are looked at where objects have something
      return shape;
    },
  };
}
