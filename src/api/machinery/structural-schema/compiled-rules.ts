/**
 * The rules of a schema (x-kubernetes-validations), compiled when they are first needed and then kept. Source: Kubernetes
 * documentation, "Validation rules" of CustomResourceDefinitions.
 */
import type { ValidationRule } from '#api/generated/schema.ts';
import { BOOL, isSameType, STRING } from '../cel/cel-type.ts';
import { type DeclaredType, optionalType } from '../cel/declared-type.ts';
import { type Environment, environment } from '../cel/environment.ts';
import { escapeName } from '../cel/escaping.ts';
import { compilationProblem } from '../cel/issue.ts';
import type { Program } from '../cel/program.ts';
import { schemaType } from '../cel/schema-type.ts';
import { readFieldPath } from './rule-field-path.ts';
import { RULES } from './rule-texts.ts';
import { itemsOf, type JSONSchemaProps, propertiesOf, valuesOf } from './schema-parts.ts';

export interface CompiledRule {
  rule: ValidationRule;
  /** undefined for an empty rule, and for one that does not compile: then `error` says why. */
  program?: Program;
  error?: string;
  /** A transition rule: runs where there is something to compare with. */
  usesOldSelf: boolean;
  message?: Program;
  messageError?: string;
  /** Below the place of the rule; empty for that place itself. */
  fieldPath: string;
}

let base: Environment | undefined;

/** `type` is that of the schema. */
export function compileRules(schema: JSONSchemaProps, type: DeclaredType): CompiledRule[] {
  base ??= environment();
  const plain = base.extend({ variables: { self: type, oldSelf: type } });
  let optional: Environment | undefined;
  return (schema[RULES] ?? []).map((rule) => {
    if (!rule.optionalOldSelf) return compileRule(rule, schema, plain);
    optional ??= plain.extend({ variables: { oldSelf: optionalType(type) } });
    return compileRule(rule, schema, optional);
  });
}

function compileRule(rule: ValidationRule, schema: JSONSchemaProps, env: Environment): CompiledRule {
  const compiled: CompiledRule = { rule, usesOldSelf: false, fieldPath: '' };
  if (!rule.rule?.trim()) return compiled;
  const { program, issues } = env.compile(rule.rule);
  if (issues) return { ...compiled, error: compilationProblem(issues) };
  if (!isSameType(program.outputType, BOOL)) return { ...compiled, error: 'cel expression must evaluate to a bool' };
  return {
    ...compiled,
    program,
    usesOldSelf: program.variables.has('oldSelf'),
    ...(rule.messageExpression && compileMessage(rule.messageExpression, env)),
    fieldPath: (rule.fieldPath && readFieldPath(rule.fieldPath, schema)) || '',
  };
}

function compileMessage(source: string, env: Environment): Pick<CompiledRule, 'message' | 'messageError'> {
  const { program, issues } = env.compile(source);
  if (issues) return { messageError: compilationProblem(issues, 'messageExpression ') };
  return isSameType(program.outputType, STRING)
    ? { message: program }
    : { messageError: 'messageExpression must evaluate to a string' };
}

/** A schema that has rules, itself or below. */
export interface RuleNode {
  schema: JSONSchemaProps;
  /** Empty when only schemas below have rules. */
  rules(): readonly CompiledRule[];
  items?: RuleNode;
  values?: RuleNode;
  properties: ReadonlyMap<string, RuleNode>;
}

/** undefined for a schema without rules: nothing of CEL is touched then. */
export const ruleTree = (schema: JSONSchemaProps, isResourceRoot: boolean): RuleNode | undefined =>
  nodeOf(schema, typedOnce(schema, isResourceRoot));

type Typed = () => DeclaredType | undefined;

/** Made when it is first asked for: it is as large as the schema. */
export function typedOnce(schema: JSONSchemaProps, isResourceRoot: boolean): Typed {
  let made: { type: DeclaredType | undefined } | undefined;
  return () => {
    made ??= { type: schemaType(schema, { isResourceRoot }) };
    return made.type;
  };
}

function nodeOf(schema: JSONSchemaProps, type: Typed): RuleNode | undefined {
  const [items, values] = [itemsOf(schema), valuesOf(schema)];
  const element: Typed = () => type()?.element;
  const itemRules = items && nodeOf(items, element);
  const valueRules = values && nodeOf(values, element);
  const properties = new Map<string, RuleNode>();
  for (const [name, property] of propertiesOf(schema)) {
    const node = nodeOf(property, propertyType(property, name, type));
    if (node) properties.set(name, node);
  }
  if (!schema[RULES]?.length && !itemRules && !valueRules && properties.size === 0) return undefined;
  let rules: readonly CompiledRule[] | undefined;
  return {
    schema,
    rules() {
      rules ??= compiledFor(schema, type);
      return rules;
    },
    ...(itemRules && { items: itemRules }),
    ...(valueRules && { values: valueRules }),
    properties,
  };
}

function compiledFor(schema: JSONSchemaProps, type: Typed): readonly CompiledRule[] {
  const declared = schema[RULES]?.length ? type() : undefined;
  return declared ? compileRules(schema, declared) : [];
}

/** A name that expressions cannot write has no place in the type of the object, but rules of its own. */
export function propertyType(property: JSONSchemaProps, name: string, parent: Typed): Typed {
  const escaped = escapeName(name);
  return escaped === undefined
    ? typedOnce(property, property['x-kubernetes-embedded-resource'] === true)
    : () => parent()?.fields?.get(escaped)?.type;
}
