/** A default must be what the schema would let a client write. Texts and order as upstream. */
import { RUNTIME_COST_BUDGET } from '../cel/limits.ts';
import { isEqual } from '../equal.ts';
import { type FieldError, invalidValue } from '../field-error.ts';
import { ruleTree } from './compiled-rules.ts';
import { asResource, embeddedMisfit, validateEmbedded } from './embedded-resources.ts';
import { pruneValue } from './prune.ts';
import { isTypeOrMetadata, itemsOf, type JSONSchemaProps, propertiesOf } from './schema-parts.ts';
import { validateRules } from './validate-rules.ts';
import { validateValue } from './validate-value.ts';

/** Of the root schema of a kind, which is at `path`. */
export const defaultErrors = (schema: JSONSchemaProps, path: string): FieldError[] =>
  new DefaultCheck().errors(asResource(schema), path, undefined);

/** The resource around a schema: of the whole object, or of one inside it. */
interface Resource {
  schema: JSONSchemaProps;
  /** The schema belongs to its apiVersion, kind or metadata. */
  isMeta: boolean;
  /** One that has the value in the schema's place. */
  around(value: unknown): object;
}

const TYPE = { apiVersion: 'validation/v1', kind: 'Validation' };

/** The rules of all defaults share what the rules of one object may cost. */
class DefaultCheck {
  #budget = RUNTIME_COST_BUDGET;

  errors(schema: JSONSchemaProps, path: string, outer: Resource | undefined): FieldError[] {
    if (this.#budget < 0) return [];
    const isResource = schema['x-kubernetes-embedded-resource'] === true;
    const resource: Resource =
      outer && !isResource ? outer : { schema, isMeta: false, around: (value) => ({ ...TYPE, ...(value as object) }) };
    const items = itemsOf(schema);
    const inItems = { ...resource, around: (value: unknown) => resource.around([value]) };
    const inField = (name: string): Resource => ({
      schema: resource.schema,
      isMeta: resource.isMeta || (isResource && isTypeOrMetadata(name)),
      around: (value) => resource.around({ [name]: value }),
    });
    return [
      ...(schema.default === undefined || schema.default === null ? [] : this.#badDefault(schema, path, resource)),
      ...(items ? this.errors(items, `${path}.items`, inItems) : []),
      ...propertiesOf(schema).flatMap(([name, property]) =>
        this.errors(property, `${path}.properties[${name}]`, inField(name)),
      ),
    ];
  }

  #badDefault(schema: JSONSchemaProps, path: string, resource: Resource): FieldError[] {
    const { default: value } = schema;
    const at = `${path}.default`;
    const unknown =
      resource.isMeta || isEqual(pruneValue(schema, value).value, value)
        ? []
        : [invalidValue(at, value, 'must not have unknown fields')];
    return [...unknown, ...(resourceErrors(schema, at, resource) ?? this.#valueErrors(schema, at, resource))];
  }

  #valueErrors(schema: JSONSchemaProps, at: string, resource: Resource): FieldError[] {
    const value = schema.default;
    const misfits = validateValue(schema, { path: '', value }).map((error) => ({
      ...error,
      field: error.field === '<nil>' ? at : `${at}.${error.field}`,
    }));
    if (misfits.length > 0) return misfits;
    const tree = ruleTree(schema, schema === resource.schema);
    return tree ? this.#brokenRules(tree, at, value) : [];
  }

  /** As a value that stays, and as one that comes: rules with an optional oldSelf tell the two apart. */
  #brokenRules(tree: NonNullable<ReturnType<typeof ruleTree>>, path: string, value: unknown): FieldError[] {
    const kept = validateRules(tree, { path, value, old: value }, this.#budget);
    const made = kept.errors.length === 0 ? validateRules(tree, { path, value }, this.#budget) : undefined;
    this.#budget = Math.min(kept.budgetLeft, made?.budgetLeft ?? kept.budgetLeft);
    return [...kept.errors, ...(made?.errors ?? [])];
  }
}

/** Of the resources that the default is, holds, or is a part of. undefined: it is fine so far. */
function resourceErrors(schema: JSONSchemaProps, at: string, resource: Resource): FieldError[] | undefined {
  const value = schema.default;
  const placed = resource.isMeta ? { path: '', value: resource.around(value) } : { path: at, value };
  const judged = resource.isMeta ? asResource(resource.schema) : schema;
  const misfit = embeddedMisfit(judged, placed);
  const errors = misfit ? [misfit] : validateEmbedded(judged, placed);
  if (errors.length === 0) return undefined;
  return resource.isMeta ? [invalidValue(at, value, `must result in valid metadata: ${aggregate(errors)}`)] : errors;
}

/** As Go prints several errors as one. */
function aggregate(errors: readonly FieldError[]): string {
  const texts = [...new Set(errors.map(({ field, message }) => `${field}: ${message}`))];
  return texts.length === 1 ? texts[0]! : `[${texts.join(', ')}]`;
}
