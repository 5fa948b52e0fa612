/**
 * Values against a schema, all errors at once. What an update leaves as it was is not judged again. Texts and order as
 * upstream's (kube-openapi), which clients show. Pure.
 */
import { isEqual } from '../equal.ts';
import {
  type FieldError,
  invalidValue,
  notSupportedValue,
  requiredValue,
  tooLong,
  tooMany,
  typeInvalid,
} from '../field-error.ts';
import { collectErrors, MAX_ERRORS } from './collect-errors.ts';
import { oldItems } from './correlation.ts';
import { hasFormat } from './formats.ts';
import { matchesPattern } from './pattern.ts';
import {
  childOf,
  isMap,
  isSame,
  itemsOf,
  type JSONSchemaProps,
  type JsonMap,
  propertiesOf,
  propertyOf,
  under,
  valuesOf,
} from './schema-parts.ts';

/** A value where it stands. `old` is what stood there before an update, undefined when nothing or something else did. */
export interface Placed {
  /** `spec.ports[0]`; empty at the root. */
  path: string;
  value: unknown;
  old?: unknown;
}

export function validateValue(schema: JSONSchemaProps, placed: Placed): FieldError[] {
  return errorsOf(schema, placed).slice(0, MAX_ERRORS);
}

function errorsOf(schema: JSONSchemaProps, placed: Placed): FieldError[] {
  const { value, old } = placed;
  if (old !== undefined && isSame(value, old)) return [];
  if (value === null) return [...validateType(schema, placed), ...validateEnum(schema, placed)];
  return [
    ...validateType(schema, placed),
    ...validateJunctions(schema, placed),
    ...(typeof value === 'string' ? validateString(schema, { ...placed, value }) : []),
    ...(typeof value === 'number' ? validateNumber(schema, { ...placed, value }) : []),
    ...(Array.isArray(value) ? validateList(schema, { ...placed, value }) : []),
    ...validateEnum(schema, placed),
    ...(isMap(value) ? validateMap(schema, { ...placed, value }) : []),
  ];
}

type Of<T> = Omit<Placed, 'value'> & { value: T };

const inBody = ({ path }: { path: string }, text: string): string => `${path} in body ${text}`;
const wrong = (placed: Placed, value: unknown, text: string): FieldError =>
  invalidValue(fieldOf(placed), value, inBody(placed, text));
const fieldOf = ({ path }: { path: string }): string => path || '<nil>';

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}

function validateType(schema: JSONSchemaProps, placed: Placed): FieldError[] {
  const types = schema['x-kubernetes-int-or-string'] ? ['integer', 'string'] : schema.type ? [schema.type] : [];
  const given = typeOf(placed.value);
  const fits =
    types.length === 0 ||
    types.includes(given) ||
    (given === 'integer' && types.includes('number')) ||
    (given === 'null' && schema.nullable);
  if (!fits) return [misfit(placed, types.join(','), given)];
  const { format } = schema;
  if (!format || typeof placed.value !== 'string' || hasFormat(placed.value, format)) return [];
  return [misfit(placed, format, placed.value)];
}

const misfit = (placed: Placed, wanted: string, given: string): FieldError =>
  typeInvalid(fieldOf(placed), given, inBody(placed, `must be of type ${wanted}: ${JSON.stringify(given)}`));

function validateEnum({ enum: allowed }: JSONSchemaProps, placed: Placed): FieldError[] {
  if (!allowed?.length || allowed.some((one) => isEqual(one, placed.value))) return [];
  const shown = allowed.map((one) => (typeof one === 'string' ? one : JSON.stringify(one)));
  return [notSupportedValue(fieldOf(placed), placed.value, shown)];
}

function validateString(schema: JSONSchemaProps, placed: Of<string>): FieldError[] {
  const { minLength, maxLength, pattern } = schema;
  const { value } = placed;
  const errors: FieldError[] = [];
  // Counted in code points, and only where it could matter.
  const length = minLength !== undefined || maxLength !== undefined ? [...value].length : 0;
  if (maxLength !== undefined && length > maxLength) errors.push(tooLong(fieldOf(placed), maxLength));
  if (minLength !== undefined && length < minLength)
    errors.push(wrong(placed, value, `should be at least ${minLength} chars long`));
  if (pattern && !matchesPattern(value, pattern)) errors.push(wrong(placed, value, `should match '${pattern}'`));
  return errors;
}

/** Numbers are kept as doubles: a larger whole one could be its neighbour. Upstream keeps those of 64 bits. */
const INEXACT = `is a whole number beyond ${Number.MAX_SAFE_INTEGER}, which is not kept exactly; write it as a string`;

function validateNumber(schema: JSONSchemaProps, placed: Of<number>): FieldError[] {
  const { multipleOf, maximum, exclusiveMaximum, minimum, exclusiveMinimum } = schema;
  const { value } = placed;
  const errors: FieldError[] = [];
  if (schema.type !== 'number' && Number.isInteger(value) && !Number.isSafeInteger(value))
    errors.push(wrong(placed, value, INEXACT));
  if (multipleOf !== undefined && !isMultiple(value, multipleOf))
    errors.push(wrong(placed, value, `should be a multiple of ${multipleOf}`));
  if (maximum !== undefined && (exclusiveMaximum ? value >= maximum : value > maximum))
    errors.push(wrong(placed, value, `should be less than ${exclusiveMaximum ? '' : 'or equal to '}${maximum}`));
  if (minimum !== undefined && (exclusiveMinimum ? value <= minimum : value < minimum))
    errors.push(wrong(placed, value, `should be greater than ${exclusiveMinimum ? '' : 'or equal to '}${minimum}`));
  return errors;
}

function isMultiple(value: number, factor: number): boolean {
  const quotient = value / factor;
  return Math.abs(quotient - Math.round(quotient)) < 1e-9;
}

function validateList(schema: JSONSchemaProps, placed: Of<readonly unknown[]>): FieldError[] {
  const { value, path } = placed;
  const items = itemsOf(schema);
  const before = items && oldItems(schema, placed.old);
  const errors = items
    ? collectErrors(value, (item, index) =>
        errorsOf(items, { path: `${path}[${index}]`, value: item, old: before?.(item) }),
      )
    : [];
  const { minItems, maxItems } = schema;
  if (minItems !== undefined && value.length < minItems)
    errors.push(wrong(placed, value.length, `should have at least ${minItems} items`));
  if (maxItems !== undefined && value.length > maxItems) errors.push(tooMany(fieldOf(placed), value.length, maxItems));
  return errors;
}

function validateMap(schema: JSONSchemaProps, placed: Of<JsonMap>): FieldError[] {
  const { value, path } = placed;
  const old = isMap(placed.old) ? placed.old : {};
  const { minProperties, maxProperties } = schema;
  const count = Object.keys(value).length;
  const errors: FieldError[] = [];
  if (minProperties !== undefined && count < minProperties)
    errors.push(wrong(placed, count, `should have at least ${minProperties} properties`));
  if (maxProperties !== undefined && count > maxProperties) errors.push(tooMany(fieldOf(placed), count, maxProperties));
  const at = (name: string): Placed => ({
    path: under(path, name),
    value: value[name],
    old: Object.hasOwn(old, name) ? old[name] : undefined,
  });
  const values = valuesOf(schema);
  const entries = values ? Object.keys(value).filter((name) => !propertyOf(schema, name)) : [];
  return [
    ...errors,
    ...collectErrors(entries, (name) => errorsOf(childOf(schema, name)!, at(name))),
    ...collectErrors(propertiesOf(schema), ([name, property]) =>
      Object.hasOwn(value, name) ? errorsOf(property, at(name)) : [],
    ),
    ...(schema.required ?? [])
      .filter((name) => !Object.hasOwn(value, name))
      .map((name) => requiredValue(under(path, name))),
  ];
}

/**
 * allOf, anyOf, oneOf, not. Their own texts belong to no field: upstream has `<nil>` there. Below them all is judged,
 * also what did not change.
 */
function validateJunctions(schema: JSONSchemaProps, { path, value }: Placed): FieldError[] {
  const { anyOf, oneOf, allOf, not } = schema;
  const results = (schemas: readonly JSONSchemaProps[]) => schemas.map((one) => errorsOf(one, { path, value }));
  const whole = (text: string) => invalidValue('<nil>', '', `${JSON.stringify(path)} must ${text}`);
  const errors: FieldError[] = [];
  if (anyOf?.length) {
    const tried = results(anyOf);
    if (!tried.some(isGood)) errors.push(whole('validate at least one schema (anyOf)'), ...fewest(tried));
  }
  if (oneOf?.length) {
    const tried = results(oneOf);
    const good = tried.filter(isGood).length;
    if (good === 0) errors.push(whole('validate one and only one schema (oneOf). Found none valid'), ...fewest(tried));
    if (good > 1) errors.push(whole(`validate one and only one schema (oneOf). Found ${good} valid alternatives`));
  }
  if (allOf?.length) {
    const tried = results(allOf);
    const good = tried.filter(isGood).length;
    errors.push(...collectErrors(tried, (one) => one));
    if (good < tried.length)
      errors.push(whole(`validate all the schemas (allOf)${good === 0 ? '. None validated' : ''}`));
  }
  if (not && errorsOf(not, { path, value }).length === 0) errors.push(whole('not validate the schema (not)'));
  return errors;
}

const isGood = (errors: readonly FieldError[]): boolean => errors.length === 0;

const fewest = (tried: readonly FieldError[][]): FieldError[] =>
  tried.reduce((best, one) => (one.length < best.length ? one : best));
