/** All that a kind does because of the schema of its definition's version. */
import { type FieldError, type FieldErrorReason, invalidValue } from '../field-error.ts';
import type { KubeObject } from '../object.ts';
import { ruleTree } from './compiled-rules.ts';
import { withDefaults } from './default-values.ts';
import { embeddedMisfit, holdsEmbedded, validateEmbedded } from './embedded-resources.ts';
import { type Pruned, pruneObject } from './prune.ts';
import type { JSONSchemaProps, JsonMap } from './schema-parts.ts';
import { validateListTypes } from './validate-list-types.ts';
import { validateRules } from './validate-rules.ts';
import { type Placed, validateValue } from './validate-value.ts';

export interface CustomShape {
  schema: JSONSchemaProps;
  /** Takes away what the schema does not name, and tells what that was, and what is no resource though it must be one. */
  prune(object: JsonMap): Pruned<JsonMap> & { problem?: string };
  defaults(object: KubeObject): KubeObject;
  /** Pruned and defaulted: what was stored under an earlier schema, or comes from another version. */
  shaped(object: KubeObject): KubeObject;
  /** All errors; with `current` those that the update did not bring are left out. */
  validate(object: KubeObject, current?: KubeObject): FieldError[];
  /** What `validate` found wrong with this object that it did not count as an error. */
  warnings(object: KubeObject): string[];
}

export function customShape(schema: JSONSchemaProps): CustomShape {
  const rules = ruleTree(schema, true);
  const hasEmbedded = holdsEmbedded(schema);
  const warnings = new WeakMap<KubeObject, string[]>();
  return {
    schema,
    prune(object) {
      const pruned = pruneObject(schema, object);
      const misfit = hasEmbedded ? embeddedMisfit(schema, { path: '', value: pruned.value }) : undefined;
      return misfit ? { ...pruned, problem: `${misfit.field}: ${misfit.message}` } : pruned;
    },
    defaults: (object) => withDefaults(schema, object) as KubeObject,
    shaped: (object) => withDefaults(schema, pruneObject(schema, { ...object }).value) as KubeObject,
    warnings: (object) => warnings.get(object) ?? [],
    validate(object, current) {
      const placed = { path: '', value: object, old: current };
      const errors = [
        ...validateValue(schema, placed),
        ...(hasEmbedded ? validateEmbedded(schema, placed) : []),
        ...listTypeErrors(schema, placed),
      ];
      if (!rules) return errors;
      if (errors.some(({ reason }) => BLOCKING.has(reason))) return [...errors, NOT_CHECKED];
      const verdict = validateRules(rules, { ...placed, isRatcheting: current !== undefined });
      if (verdict.warnings.length > 0) warnings.set(object, verdict.warnings);
      return [...errors, ...verdict.errors];
    },
  };
}

/** Lists that had duplicates before an update may keep them. */
function listTypeErrors(schema: JSONSchemaProps, placed: Placed): FieldError[] {
  const errors = validateListTypes(schema, placed);
  const isOld = errors.length > 0 && validateListTypes(schema, { path: '', value: placed.old }).length > 0;
  return isOld ? [] : errors;
}

/** What has these is not of the type that expressions were written for. */
const BLOCKING: ReadonlySet<FieldErrorReason> = new Set([
  'FieldValueNotSupported',
  'FieldValueRequired',
  'FieldValueTooLong',
  'FieldValueTooMany',
  'FieldValueTypeInvalid',
]);

const NOT_CHECKED = invalidValue(
  '<nil>',
  null,
  'some validation rules were not checked because the object was invalid; correct the existing errors to complete validation',
);
