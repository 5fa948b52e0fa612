/**
 * Whether the rules of a schema compile, and what they would cost at worst. Source: Kubernetes documentation, "Resource use
 * by validation functions"; texts and order as upstream.
 */
import type { ValidationRule } from '#api/generated/schema.ts';
import type { DeclaredType } from '../cel/declared-type.ts';
import { MAX_REQUEST_SIZE_BYTES, STATIC_ESTIMATED_COST_LIMIT, STATIC_ESTIMATED_CRD_COST_LIMIT } from '../cel/limits.ts';
import { type FieldError, forbiddenField, internalFieldError, invalidValue } from '../field-error.ts';
import { type CompiledRule, compileRules, propertyType, typedOnce } from './compiled-rules.ts';
import { RULES } from './rule-texts.ts';
import { itemsOf, type JSONSchemaProps, propertiesOf, valuesOf } from './schema-parts.ts';

/** Of the whole schema at `path`. Schemas that `isBad` for other reasons, or hold such, are left out. */
export function ruleErrors(schema: JSONSchemaProps, path: string, isBad: (path: string) => boolean): FieldError[] {
  const total = new TotalCost();
  const type = typedOnce(schema, true);
  const errors = errorsBelow({ schema, path, type, mostCopies: 1 }, { total, isBad });
  return [...errors, ...total.errors(path)];
}

/** One schema, and what those around it say of it. */
interface Place {
  schema: JSONSchemaProps;
  path: string;
  type(): DeclaredType | undefined;
  /** How often values of it can stand in one object; undefined when nothing bounds it. */
  mostCopies: number | undefined;
  /** The path of the highest schema around it whose parts cannot be found again after an update. */
  uncorrelatable?: string;
}

interface Context {
  total: TotalCost;
  isBad(path: string): boolean;
}

const errorsBelow = (place: Place, context: Context): FieldError[] => [
  ...childrenOf(place).flatMap((child) => errorsBelow(child, context)),
  ...(place.schema[RULES]?.length && !context.isBad(place.path) ? errorsHere(place, context.total) : []),
];

function childrenOf(place: Place): Place[] {
  const { schema, path, type } = place;
  const mostCopies = copiesBelow(place);
  const inside = (child: JSONSchemaProps, word: string, more: Pick<Place, 'type' | 'uncorrelatable'>): Place => ({
    schema: child,
    path: `${path}.${word}`,
    mostCopies,
    ...(place.uncorrelatable && { uncorrelatable: place.uncorrelatable }),
    ...more,
    type: orOwn(more.type, child),
  });
  const [items, values] = [itemsOf(schema), valuesOf(schema)];
  const element = () => type()?.element;
  const isMapList = schema['x-kubernetes-list-type'] === 'map';
  const mapType = schema['x-kubernetes-map-type'];
  const isKnownMap = mapType === undefined || mapType === 'granular' || mapType === 'atomic';
  const lost = { uncorrelatable: place.uncorrelatable ?? path };
  return [
    ...(values ? [inside(values, 'additionalProperties', { type: element })] : []),
    ...propertiesOf(schema).map(([name, property]) =>
      inside(property, `properties[${name}]`, {
        type: propertyType(property, name, type),
        ...(isKnownMap ? {} : lost),
      }),
    ),
    ...(items ? [inside(items, 'items', { type: element, ...(isMapList ? {} : lost) })] : []),
  ];
}

/** That of the schema by itself, where the one around it gives it none. */
function orOwn(type: Place['type'], schema: JSONSchemaProps): Place['type'] {
  const own = typedOnce(schema, schema['x-kubernetes-embedded-resource'] === true);
  return () => type() ?? own();
}

function copiesBelow({ schema, mostCopies }: Place): number | undefined {
  const most = mostElements(schema);
  return mostCopies === undefined || most === undefined ? undefined : mostCopies * most;
}

function mostElements(schema: JSONSchemaProps): number | undefined {
  const { type, maxItems, maxProperties, additionalProperties } = schema;
  const isMany = type === 'array' || (type === 'object' && additionalProperties !== undefined);
  if (!isMany) return 1;
  const most = type === 'array' ? maxItems : maxProperties;
  return most === undefined ? undefined : Math.max(0, most);
}

function errorsHere(place: Place, total: TotalCost): FieldError[] {
  const type = place.type();
  if (!type)
    return [
      internalFieldError(
        `${place.path}.${RULES}`,
        'internal error: failed to construct type information for x-kubernetes-validations rules: unable to convert structural schema to CEL declarations',
      ),
    ];
  const copies = place.mostCopies ?? Math.floor(MAX_REQUEST_SIZE_BYTES / (type.minSerializedSize + 1));
  return compileRules(place.schema, type).flatMap((compiled, index) => {
    const at = `${place.path}.${RULES}[${index}]`;
    return [
      ...costErrors(compiled, { at, copies, total }),
      ...oldSelfErrors(compiled, { at, uncorrelatable: place.uncorrelatable }),
    ];
  });
}

interface Costed {
  at: string;
  copies: number;
  total: TotalCost;
}

function costErrors(compiled: CompiledRule, { at, copies, total }: Costed): FieldError[] {
  const { rule, program, error, message, messageError } = compiled;
  const errors: FieldError[] = [];
  const cost = program ? times(program.estimateCost().max, copies) : 0;
  if (cost > STATIC_ESTIMATED_COST_LIMIT)
    errors.push(forbiddenField(`${at}.rule`, tooExpensive('estimated rule cost', cost, STATIC_ESTIMATED_COST_LIMIT)));
  total.add(`${at}.rule`, cost);
  if (error !== undefined) errors.push(invalidValue(`${at}.rule`, shownRule(rule), error));
  if (messageError !== undefined) errors.push(invalidValue(`${at}.messageExpression`, shownRule(rule), messageError));
  if (!message) return errors;
  const messageCost = message.estimateCost().max;
  if (messageCost > STATIC_ESTIMATED_COST_LIMIT) {
    const why = tooExpensive('estimated messageExpression cost', messageCost, STATIC_ESTIMATED_COST_LIMIT);
    errors.push(forbiddenField(`${at}.messageExpression`, why));
  }
  total.add(`${at}.messageExpression`, messageCost);
  return errors;
}

const times = (cost: number, copies: number): number => (cost === 0 || copies === 0 ? 0 : cost * copies);

function oldSelfErrors(
  { rule, usesOldSelf }: CompiledRule,
  { at, uncorrelatable }: { at: string; uncorrelatable: string | undefined },
): FieldError[] {
  if (usesOldSelf && uncorrelatable)
    return [
      invalidValue(
        `${at}.rule`,
        rule.rule,
        `oldSelf cannot be used on the uncorrelatable portion of the schema within ${uncorrelatable}`,
      ),
    ];
  if (usesOldSelf || rule.optionalOldSelf === undefined) return [];
  return [invalidValue(`${at}.optionalOldSelf`, rule.optionalOldSelf, 'may not be set if oldSelf is not used in rule')];
}

/** Upstream shows the value of its internal type, whose fields have no JSON names. */
const shownRule = ({ rule, message, messageExpression, reason, fieldPath, optionalOldSelf }: ValidationRule) => ({
  Rule: rule,
  Message: message ?? '',
  MessageExpression: messageExpression ?? '',
  Reason: reason ?? null,
  FieldPath: fieldPath ?? '',
  OptionalOldSelf: optionalOldSelf ?? null,
});

/** So many of the rules that cost most are named when all together are too expensive. */
const MAX_NAMED = 4;

class TotalCost {
  #total = 0;
  /** The most expensive first. */
  #expensive: { at: string; cost: number }[] = [];

  add(at: string, cost: number): void {
    this.#total += cost;
    if (cost < STATIC_ESTIMATED_CRD_COST_LIMIT / 100) return;
    this.#expensive.push({ at, cost });
    this.#expensive.sort((a, b) => b.cost - a.cost);
    this.#expensive.splice(MAX_NAMED);
  }

  errors(path: string): FieldError[] {
    if (this.#total <= STATIC_ESTIMATED_CRD_COST_LIMIT) return [];
    const named = 'contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema';
    const all = 'x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema';
    return [
      ...this.#expensive.map(({ at }) => forbiddenField(at, named)),
      forbiddenField(path, tooExpensive(all, this.#total, STATIC_ESTIMATED_CRD_COST_LIMIT)),
    ];
  }
}

function tooExpensive(what: string, cost: number, limit: number): string {
  const factor = cost / limit;
  const shown = factor > 100 ? 'more than 100' : factor < 1.5 ? factor.toFixed(6) : factor.toFixed(1);
  return `${what} exceeds budget by factor of ${shown}x (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)`;
}
