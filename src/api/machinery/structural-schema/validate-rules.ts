/**
 * Runs the rules of a schema over an object. Source: Kubernetes documentation, "Validation rules" and "Validation
 * ratcheting"; order, texts and budget as upstream.
 */
import type { ValidationRule } from '#api/generated/schema.ts';
import { COST_LIMIT_EXCEEDED, MAX_MESSAGE_EXPRESSION_BYTES, RUNTIME_COST_BUDGET } from '../cel/limits.ts';
import type { Activation, Outcome } from '../cel/program.ts';
import {
  duplicateValue,
  type FieldError,
  forbiddenField,
  invalidValue,
  OMITTED,
  requiredValue,
} from '../field-error.ts';
import type { CompiledRule, RuleNode } from './compiled-rules.ts';
import { isUnchanged, oldItems } from './correlation.ts';
import { isMap, type JSONSchemaProps, type JsonMap, under } from './schema-parts.ts';

export interface RuleVerdict {
  errors: FieldError[];
  /** Of rules that an update did not make fail: what they judge is as it was. */
  warnings: string[];
  /** Negative when the budget ran out, or an evaluation had to be stopped. */
  budgetLeft: number;
}

export interface Judged {
  /** Empty for a whole object. */
  path: string;
  value: unknown;
  /** undefined on create. */
  old?: unknown;
  /** An update of an object: what it leaves as it was only gets a warning. */
  isRatcheting?: boolean;
}

export function validateRules(tree: RuleNode, judged: Judged, budget = RUNTIME_COST_BUDGET): RuleVerdict {
  const { path, value, old, isRatcheting = false } = judged;
  const run = new RuleRun(budget);
  const here = isRatcheting ? { schema: tree.schema, value, old } : undefined;
  run.visit(tree, { path, value, old, correlation: here && { current: here } });
  return { errors: run.errors, warnings: run.warnings, budgetLeft: run.budget };
}

interface Pair {
  schema: JSONSchemaProps;
  value: unknown;
  old: unknown;
}

/** What an update can be compared by: this very value, else the nearest one around it that had an old one. */
interface Correlation {
  current?: Pair | undefined;
  around?: Pair;
}

interface Place {
  path: string;
  value: unknown;
  old: unknown;
  correlation: Correlation | undefined;
}

class RuleRun {
  budget: number;
  readonly errors: FieldError[] = [];
  readonly warnings: string[] = [];

  constructor(budget: number) {
    this.budget = budget;
  }

  visit(node: RuleNode, place: Place): void {
    const { value, old } = place;
    if (this.budget < 0 || value === null || value === undefined) return;
    this.#runRules(node, place);
    if (this.budget < 0) return;
    if (Array.isArray(value)) this.#visitItems(node, { ...place, value, old: Array.isArray(old) ? old : undefined });
    else if (isMap(value)) this.#visitFields(node, { ...place, value, old: isMap(old) ? old : undefined });
  }

  #visitItems(
    { items, schema }: RuleNode,
    place: Place & { value: readonly unknown[]; old: readonly unknown[] | undefined },
  ): void {
    if (!items) return;
    const { path, value, old, correlation } = place;
    const before = oldItems(schema, old);
    for (const [index, item] of value.entries()) {
      if (this.budget < 0) return;
      const was = before?.(item) ?? undefined;
      const pair = { schema: items.schema, value: item, old: was };
      this.visit(items, { path: `${path}[${index}]`, value: item, old: was, correlation: below(correlation, pair) });
    }
  }

  #visitFields({ values, properties }: RuleNode, place: Place & { value: JsonMap; old: JsonMap | undefined }): void {
    const { path, value, old, correlation } = place;
    const visit = (node: RuleNode, name: string, at: string) => {
      const was = old && Object.hasOwn(old, name) ? old[name] : undefined;
      const pair = { schema: node.schema, value: value[name], old: was };
      // Both states are shown in the version of the request: nobody can have left these as they were.
      const isTyped = correlation && !correlation.around && (name === 'apiVersion' || name === 'kind');
      this.visit(node, {
        path: at,
        value: value[name],
        old: was,
        correlation: isTyped ? undefined : below(correlation, pair),
      });
    };
    for (const name of Object.keys(value)) {
      if (this.budget < 0) return;
      const property = properties.get(name);
      if (property) visit(property, name, under(path, name));
      else if (values) visit(values, name, `${path}[${name}]`);
    }
  }

  #runRules(node: RuleNode, place: Place): void {
    for (const compiled of node.rules()) {
      const isOver = this.budget <= 0;
      if (isOver) this.#fail(node, place, OUT_OF_BUDGET);
      if (isOver || !this.#runRule(compiled, node, place)) {
        this.budget = -1;
        return;
      }
    }
  }

  /** False when no further rule may run. */
  #runRule(compiled: CompiledRule, node: RuleNode, place: Place): boolean {
    const { rule, program, error, usesOldSelf } = compiled;
    if (error !== undefined) this.#fail(node, place, `rule compile error: ${error}`);
    const hasOld = place.old !== undefined && place.old !== null;
    if (!program || (usesOldSelf && !hasOld && !rule.optionalOldSelf)) return true;
    const activation: Activation = { self: place.value, ...(hasOld && { oldSelf: place.old }) };
    const outcome = program.evaluate(activation);
    if (!this.#pay(outcome)) {
      this.#fail(node, place, OUT_OF_BUDGET);
      return false;
    }
    if (outcome.error !== undefined) {
      this.#fail(node, place, errorText(outcome.error, rule));
      return !isStopped(outcome.error);
    }
    return outcome.value === true || this.#report(compiled, { node, place, activation });
  }

  #fail({ schema }: RuleNode, { path }: Place, text: string): void {
    this.errors.push(invalidValue(path || '<nil>', schema.type ?? '', text));
  }

  #pay({ cost }: Outcome): boolean {
    if (cost > this.budget) return false;
    this.budget -= cost;
    return true;
  }

  /** A rule that does not hold. False when no further rule may run. */
  #report(
    compiled: CompiledRule,
    { node, place, activation }: { node: RuleNode; place: Place; activation: Activation },
  ): boolean {
    const { rule, usesOldSelf, fieldPath } = compiled;
    const { type = '' } = node.schema;
    const field = (fieldPath ? under(place.path, fieldPath) : place.path) || '<nil>';
    const told = this.#messageOf(compiled, activation);
    const isStructured = type === 'object' || type === 'array';
    const error = told.isOver
      ? invalidValue(field, type, told.text)
      : errorFor({ field, value: isStructured ? OMITTED : place.value, detail: told.text }, rule.reason);
    if (!usesOldSelf && isRatcheted(place.correlation)) this.warnings.push(`${error.field}: ${error.message}`);
    else this.errors.push(error);
    return !told.isOver;
  }

  #messageOf({ rule, message }: CompiledRule, activation: Activation): { text: string; isOver?: boolean } {
    const plain = { text: rule.message ? rule.message.trim() : `failed rule: ${nameOf(rule)}` };
    if (!message) return plain;
    const outcome = message.evaluate(activation);
    if (!this.#pay(outcome))
      return {
        text: 'messageExpression evaluation failed due to running out of cost budget, no further validation rules will be run',
        isOver: true,
      };
    if (outcome.error !== undefined && isStopped(outcome.error)) {
      const source = JSON.stringify(rule.messageExpression);
      return {
        text: `no further validation rules will be run due to call cost exceeds limit for messageExpression: ${source}`,
        isOver: true,
      };
    }
    const text = outcome.error === undefined && typeof outcome.value === 'string' ? outcome.value.trim() : '';
    return isGoodMessage(text) ? { text } : plain;
  }
}

const OUT_OF_BUDGET = 'validation failed due to running out of cost budget, no further validation rules will be run';

const isStopped = (error: string): boolean => error.startsWith(COST_LIMIT_EXCEEDED);

/** What stands for a rule in texts about it. */
const nameOf = ({ rule, message }: ValidationRule): string => (message || rule).trim();

function errorText(error: string, rule: ValidationRule): string {
  if (error.startsWith('no such overload'))
    return `'${error}': call arguments did not match a supported operator, function or macro signature for rule: ${nameOf(rule)}`;
  if (isStopped(error))
    return `'${error}': no further validation rules will be run due to call cost exceeds limit for rule: ${nameOf(rule)}`;
  return `${error} evaluating rule: ${nameOf(rule)}`;
}

const isGoodMessage = (text: string): boolean =>
  text !== '' && !text.includes('\n') && new TextEncoder().encode(text).length <= MAX_MESSAGE_EXPRESSION_BYTES;

function errorFor(
  { field, value, detail }: { field: string; value: unknown; detail: string },
  reason: ValidationRule['reason'],
): FieldError {
  switch (reason) {
    case 'FieldValueForbidden':
      return forbiddenField(field, detail);
    case 'FieldValueRequired':
      return requiredValue(field, detail);
    case 'FieldValueDuplicate':
      return duplicateValue(field, value);
    default:
      return invalidValue(field, value, detail);
  }
}

function below(correlation: Correlation | undefined, pair: Pair): Correlation | undefined {
  if (!correlation?.current) return correlation;
  return { current: pair.old === undefined ? undefined : pair, around: correlation.current };
}

function isRatcheted(correlation: Correlation | undefined): boolean {
  const pair = correlation?.current ?? correlation?.around;
  return pair !== undefined && isUnchanged(pair.schema, pair.value, pair.old);
}
