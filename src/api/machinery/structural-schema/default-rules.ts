/** A default must be what the schema would let a client write. Texts and order as upstream. */
import { RUNTIME_COST_BUDGET } from '../cel/limits.ts';
import { isEqual } from '../equal.ts';
import { type FieldError, invalidValue } from '../field-error.ts';
import { ruleTree } from './compiled-rules.ts';
import { pruneObject, pruneValue } from './prune.ts';
import { isMap, itemsOf, type JSONSchemaProps, type JsonMap, propertiesOf } from './schema-parts.ts';
import { validateRules } from './validate-rules.ts';
import { validateValue } from './validate-value.ts';

/** Of the root schema of a kind, which is at `path`. */
export const defaultErrors = (schema: JSONSchemaProps, path: string): FieldError[] =>
  new DefaultCheck().errors(schema, { path, isResourceRoot: true });

interface Place {
  path: string;
  isResourceRoot: boolean;
}

/** The rules of all defaults share what the rules of one object may cost. */
class DefaultCheck {
  #budget = RUNTIME_COST_BUDGET;

  errors(schema: JSONSchemaProps, place: Place): FieldError[] {
    if (this.#budget < 0) return [];
    const items = itemsOf(schema);
    const inside = (child: JSONSchemaProps, word: string) =>
      this.errors(child, {
        path: `${place.path}.${word}`,
        isResourceRoot: child['x-kubernetes-embedded-resource'] === true,
      });
    return [
      ...(schema.default === undefined || schema.default === null ? [] : this.#badDefault(schema, place)),
      ...(items ? inside(items, 'items') : []),
      ...propertiesOf(schema).flatMap(([name, property]) => inside(property, `properties[${name}]`)),
    ];
  }

  #badDefault(schema: JSONSchemaProps, { path, isResourceRoot }: Place): FieldError[] {
    const { default: value } = schema;
    const at = `${path}.default`;
    const prune = isResourceRoot && isMap(value) ? pruneObject : pruneValue;
    const isPruned = isEqual(prune(schema, value as JsonMap).value, value);
    const misfits = validateValue(schema, { path: '', value }).map((error) => ({
      ...error,
      field: error.field === '<nil>' ? at : `${at}.${error.field}`,
    }));
    const tree = misfits.length > 0 ? undefined : ruleTree(schema, isResourceRoot);
    return [
      ...(isPruned ? [] : [invalidValue(at, value, 'must not have unknown fields')]),
      ...misfits,
      ...(tree ? this.#brokenRules(tree, at, value) : []),
    ];
  }

  /** As a value that stays, and as one that comes: rules with an optional oldSelf tell the two apart. */
  #brokenRules(tree: NonNullable<ReturnType<typeof ruleTree>>, path: string, value: unknown): FieldError[] {
    const kept = validateRules(tree, { path, value, old: value }, this.#budget);
    const made = kept.errors.length === 0 ? validateRules(tree, { path, value }, this.#budget) : undefined;
    this.#budget = Math.min(kept.budgetLeft, made?.budgetLeft ?? kept.budgetLeft);
    return [...kept.errors, ...(made?.errors ?? [])];
  }
}
