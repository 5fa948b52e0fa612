/** All that a kind does because of the schema of its definition's version. */
import type { FieldError } from '../field-error.ts';
import type { KubeObject } from '../object.ts';
import { withDefaults } from './default-values.ts';
import { validateEmbedded } from './embedded-resources.ts';
import { type Pruned, pruneObject } from './prune.ts';
import type { JSONSchemaProps, JsonMap } from './schema-parts.ts';
import { validateListTypes } from './validate-list-types.ts';
import { validateValue } from './validate-value.ts';

export interface CustomShape {
  schema: JSONSchemaProps;
  /** Takes away what the schema does not name, and tells what that was. */
  prune(object: JsonMap): Pruned<JsonMap>;
  defaults(object: KubeObject): KubeObject;
  /** Pruned and defaulted: what was stored under an earlier schema, or comes from another version. */
  shaped(object: KubeObject): KubeObject;
  /** All errors; with `current` those that the update did not bring are left out. */
  validate(object: KubeObject, current?: KubeObject): FieldError[];
}

export const customShape = (schema: JSONSchemaProps): CustomShape => ({
  schema,
  prune: (object) => pruneObject(schema, object),
  defaults: (object) => withDefaults(schema, object) as KubeObject,
  shaped: (object) => withDefaults(schema, pruneObject(schema, { ...object }).value) as KubeObject,
  validate(object, current) {
    const placed = { path: '', value: object, old: current };
    return [
      ...validateValue(schema, placed),
      ...validateEmbedded(schema, placed),
      ...validateListTypes(schema, placed),
    ];
  },
});
