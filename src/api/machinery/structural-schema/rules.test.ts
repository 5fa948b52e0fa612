import { describe, expect, test } from 'vitest';
import type { ValidationRule } from '#api/generated/schema.ts';
import type { KubeObject } from '../object.ts';
import { customShape } from './custom-shape.ts';
import { validateSchema } from './definition-rules.ts';
import { readFieldPath } from './rule-field-path.ts';
import type { JSONSchemaProps } from './schema-parts.ts';

const at = 'spec.validation.openAPIV3Schema';
const rule = (text: string, more: Partial<ValidationRule> = {}): ValidationRule => ({ rule: text, ...more });
const withRules = (schema: JSONSchemaProps, ...rules: ValidationRule[]): JSONSchemaProps => ({
  ...schema,
  'x-kubernetes-validations': rules,
});
const spec = (schema: JSONSchemaProps): JSONSchemaProps => ({ type: 'object', properties: { spec: schema } });
const integer: JSONSchemaProps = { type: 'integer' };
const text: JSONSchemaProps = { type: 'string' };
const object = (properties: Record<string, JSONSchemaProps>, more: JSONSchemaProps = {}): JSONSchemaProps => ({
  type: 'object',
  properties,
  ...more,
});
const said = (errors: readonly { field: string; message: string }[]) =>
  errors.map(({ field, message }) => `${field}: ${message}`);
const shown = (one: ValidationRule) =>
  JSON.stringify({
    Rule: one.rule,
    Message: one.message ?? '',
    MessageExpression: one.messageExpression ?? '',
    Reason: null,
    FieldPath: '',
    OptionalOldSelf: one.optionalOldSelf ?? null,
  }).replace(/[<>&]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`);

describe('a field path', () => {
  const schema = object({
    a: object({ 'b.c': text, "it's": text }),
    map: { type: 'object', additionalProperties: object({ x: text }) },
  });
  test.each<[string, string | undefined]>([
    ['.a', 'a'],
    [".a['b.c']", 'a.b.c'],
    [`.a['it\\'s']`, "a.it's"],
    [".map['k'].x", 'map[k].x'],
    ['.map.k.x', 'map[k].x'],
    ['.none', undefined],
    ['a', undefined],
    ['.a.', undefined],
    ['.a[0]', undefined],
    [".a['b.c'", undefined],
    [".a['b\\q']", undefined],
  ])('%s is %s', (path, expected) => expect(readFieldPath(path, schema)).toBe(expected));
});

describe('the definition of a rule', () => {
  const here = `${at}.properties[spec].x-kubernetes-validations[0]`;
  const sizes = object({ min: integer, max: integer });
  const judge = (one: ValidationRule, schema = sizes) => said(validateSchema(spec(withRules(schema, one)), at));

  test('that is good is taken', () => {
    expect(judge(rule('self.min <= self.max', { message: 'min before max', fieldPath: '.min' }))).toEqual([]);
  });

  test.each<[string, ValidationRule, string[]]>([
    ['is empty', rule(' '), [`${here}.rule: Required value: rule is not specified`]],
    [
      'has an empty message',
      rule('true', { message: ' ' }),
      [`${here}.message: Invalid value: " ": must be non-empty if specified`],
    ],
    [
      'has a message of two lines',
      rule('true', { message: 'a\nb' }),
      [`${here}.message: Invalid value: "a\\nb": must not contain line breaks`],
    ],
    [
      'has two lines and no message',
      rule('true\n && true'),
      [`${here}.message: Required value: message must be specified if rule contains line breaks`],
    ],
    [
      'has a reason of its own',
      rule('true', { reason: 'Odd' as never }),
      [
        `${here}.reason: Unsupported value: "Odd": supported values: "FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"`,
      ],
    ],
    [
      'has a path that leads nowhere',
      rule('true', { fieldPath: '.none' }),
      [`${here}.fieldPath: Invalid value: ".none": must be a valid path`],
    ],
    [
      'does not compile',
      rule('self.none > 0'),
      [
        `${here}.rule: Invalid value: ${shown(rule('self.none > 0'))}: compilation failed: ERROR: <input>:1:5: undefined field 'none'\n | self.none > 0\n | ....^`,
      ],
    ],
    [
      'is no condition',
      rule('self.min'),
      [`${here}.rule: Invalid value: ${shown(rule('self.min'))}: cel expression must evaluate to a bool`],
    ],
    [
      'has a message that is no text',
      rule('true', { messageExpression: 'self.min' }),
      [
        `${here}.messageExpression: Invalid value: ${shown(rule('true', { messageExpression: 'self.min' }))}: messageExpression must evaluate to a string`,
      ],
    ],
    [
      'has an optional oldSelf that it does not use',
      rule('true', { optionalOldSelf: true }),
      [`${here}.optionalOldSelf: Invalid value: true: may not be set if oldSelf is not used in rule`],
    ],
  ])('%s', (_, one, expected) => expect(judge(one)).toEqual(expected));

  test('compares with the past only where that can be found again', () => {
    const items = withRules(object({ v: integer }), rule('self.v >= oldSelf.v'));
    const list: JSONSchemaProps = { type: 'array', maxItems: 10, items };
    const within = `${at}.properties[spec].properties[list]`;
    expect(said(validateSchema(spec(object({ list })), at))).toEqual([
      `${within}.items.x-kubernetes-validations[0].rule: Invalid value: "self.v >= oldSelf.v": oldSelf cannot be used on the uncorrelatable portion of the schema within ${within}`,
    ]);
    const named = { ...items, required: ['v'] };
    const map = { ...list, items: named, 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['v'] };
    expect(said(validateSchema(spec(object({ map })), at))).toEqual([]);
  });

  test('is refused when it may cost too much, and not when what it looks at is bounded', () => {
    const quadratic = rule('self.all(x, self.all(y, x == y))');
    const list = (more: JSONSchemaProps) =>
      spec(object({ list: withRules({ type: 'array', items: text, ...more }, quadratic) }));
    const [error, ...others] = said(validateSchema(list({}), at));
    expect(error).toBe(
      `${at}.properties[spec].properties[list].x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)`,
    );
    expect(others).toEqual([
      `${at}.properties[spec].properties[list].x-kubernetes-validations[0].rule: Forbidden: contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema`,
      `${at}: Forbidden: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget by factor of more than 100x (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)`,
    ]);
    expect(said(validateSchema(list({ maxItems: 10, items: { ...text, maxLength: 20 } }), at))).toEqual([]);
  });

  test('holds for defaults', () => {
    const small = withRules({ ...integer, default: 7 }, rule('self < 5'));
    expect(said(validateSchema(spec(object({ small })), at))).toEqual([
      `${at}.properties[spec].properties[small].default: Invalid value: 7: failed rule: self < 5`,
    ]);
  });

  test('of a schema that is bad for another reason is not looked at', () => {
    const errors = said(
      validateSchema(spec(withRules({ type: 'object', nullable: false, uniqueItems: true }, rule('nonsense('))), at),
    );
    expect(errors).toEqual([expect.stringContaining('uniqueItems: Forbidden')]);
  });
});

describe('an object', () => {
  const judge = (schema: JSONSchemaProps, value: unknown, old?: unknown) => {
    const shape = customShape(spec(schema));
    const made = (one: unknown) =>
      ({ apiVersion: 'example.com/v1', kind: 'K', metadata: { name: 'n' }, spec: one }) as unknown as KubeObject;
    const next = made(value);
    const errors = said(shape.validate(next, old === undefined ? undefined : made(old)));
    return { errors, warnings: shape.warnings(next) };
  };
  const errorsOf = (...args: Parameters<typeof judge>) => judge(...args).errors;
  const range = (...rules: ValidationRule[]) => withRules(object({ min: integer, max: integer, note: text }), ...rules);

  test.each<[string, ValidationRule, string]>([
    ['is told the rule', rule('self.min < self.max'), 'spec: Invalid value: failed rule: self.min < self.max'],
    ['is told the message', rule('self.min < self.max', { message: ' min! ' }), 'spec: Invalid value: min!'],
    [
      'is told what the message makes of it',
      rule('self.min < self.max', { messageExpression: '"not below " + string(self.max)', message: 'm' }),
      'spec: Invalid value: not below 2',
    ],
    [
      'is told the plain message when the other fails',
      rule('self.min < self.max', { messageExpression: 'self.note', message: 'm' }),
      'spec: Invalid value: m',
    ],
    [
      'is told the plain message when the other has two lines',
      rule('self.min < self.max', { messageExpression: '"a\\nb"', message: 'm' }),
      'spec: Invalid value: m',
    ],
    [
      'is told the field',
      rule('self.min < self.max', { fieldPath: '.min', message: 'm' }),
      'spec.min: Invalid value: m',
    ],
    [
      'is told the reason',
      rule('self.min < self.max', { reason: 'FieldValueForbidden', message: 'm' }),
      'spec: Forbidden: m',
    ],
    [
      'is told what is required',
      rule('false', { reason: 'FieldValueRequired', message: 'm' }),
      'spec: Required value: m',
    ],
    ['is told of duplicates', rule('false', { reason: 'FieldValueDuplicate', message: 'm' }), 'spec: Duplicate value'],
    [
      'is told what went wrong',
      rule('self.note == ""'),
      'spec: Invalid value: "object": no such key: note evaluating rule: self.note == ""',
    ],
  ])('%s', (_, one, expected) => expect(errorsOf(range(one), { min: 3, max: 2 })).toEqual([expected]));

  test('shows a value that is a scalar', () => {
    expect(errorsOf(object({ n: withRules(integer, rule('self > 5')) }), { n: 3 })).toEqual([
      'spec.n: Invalid value: 3: failed rule: self > 5',
    ]);
  });

  test('is judged at every place', () => {
    const positive = withRules(integer, rule('self > 0'));
    const schema = object({
      list: { type: 'array', items: positive },
      map: { type: 'object', additionalProperties: positive },
      'not-plain': positive,
    });
    expect(errorsOf(schema, { list: [1, 0], map: { a: 0 }, 'not-plain': 0 })).toEqual([
      'spec.list[1]: Invalid value: 0: failed rule: self > 0',
      'spec.map[a]: Invalid value: 0: failed rule: self > 0',
      'spec.not-plain: Invalid value: 0: failed rule: self > 0',
    ]);
  });

  test('shows its rules its type and its name', () => {
    const whole: JSONSchemaProps = withRules(
      object({ spec: object({ name: text }) }),
      rule('self.spec.name == self.metadata.name && self.kind == "K" && !has(self.metadata.generateName)'),
    );
    const named = (name: string) =>
      said(
        customShape(whole).validate({
          apiVersion: 'example.com/v1',
          kind: 'K',
          metadata: { name: 'n' },
          spec: { name },
        } as unknown as KubeObject),
      );
    expect(named('n')).toEqual([]);
    expect(named('m')).toEqual([expect.stringContaining('<nil>: Invalid value: failed rule: self.spec.name')]);
  });

  test('inside of which is another shows its rules the name of that', () => {
    const inner = withRules(
      { type: 'object', 'x-kubernetes-embedded-resource': true, 'x-kubernetes-preserve-unknown-fields': true },
      rule("self.metadata.name == 'inner' && self.kind == 'Pod'"),
    );
    const of = (name: string) => ({ inner: { apiVersion: 'v1', kind: 'Pod', metadata: { name }, more: 1 } });
    expect(errorsOf(object({ inner }), of('inner'))).toEqual([]);
    expect(errorsOf(object({ inner }), of('other'))).toHaveLength(1);
  });

  test('shows its rules what is a number or a text as what it is', () => {
    const port = withRules(
      { 'x-kubernetes-int-or-string': true },
      rule("type(self) == int ? self < 100 : self.endsWith('%')"),
    );
    const judged = (value: unknown) => errorsOf(object({ port }), { port: value });
    expect([judged(99), judged('50%')]).toEqual([[], []]);
    expect(judged(100)).toHaveLength(1);
    expect(judged('50')).toHaveLength(1);
  });

  test('that does not fit its schema is not shown to rules', () => {
    expect(errorsOf(range(rule('self.min < self.max')), { min: 'a', max: 2 })).toEqual([
      'spec.min: Invalid value: "string": spec.min in body must be of type integer: "string"',
      '<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation',
    ]);
  });

  test('that is null is not judged', () => {
    const schema = object({ n: withRules({ ...integer, nullable: true }, rule('self > 5')) });
    expect(errorsOf(schema, { n: null })).toEqual([]);
  });

  describe('that is updated', () => {
    const growing = range(rule('self.min >= oldSelf.min', { message: 'shrinks' }));

    test('is compared with what it was', () => {
      expect(errorsOf(growing, { min: 1 }, { min: 2 })).toEqual(['spec: Invalid value: shrinks']);
      expect(errorsOf(growing, { min: 2 }, { min: 1 })).toEqual([]);
      expect(errorsOf(growing, { min: 1 })).toEqual([]);
    });

    test('is compared with nothing where it was not, if the rule knows how', () => {
      const once = range(rule('!oldSelf.hasValue() || self.min == oldSelf.value().min', { optionalOldSelf: true }));
      expect(errorsOf(once, { min: 1 })).toEqual([]);
      expect(errorsOf(once, { min: 1 }, { min: 2 })).toHaveLength(1);
    });

    test('finds the item of a list by its key, wherever it stands now', () => {
      const item = withRules(object({ name: text, v: integer }, { required: ['name'] }), rule('self.v >= oldSelf.v'));
      const schema = object({
        list: {
          type: 'array',
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['name'],
          items: item,
        },
      });
      const list = (...values: [string, number][]) => ({ list: values.map(([name, v]) => ({ name, v })) });
      expect(errorsOf(schema, list(['b', 1], ['a', 1]), list(['a', 2], ['b', 1]))).toEqual([
        'spec.list[1]: Invalid value: failed rule: self.v >= oldSelf.v',
      ]);
    });

    test('may keep what its rules forbid by now, and is warned', () => {
      const schema = object({ n: withRules(integer, rule('self > 5')), note: text });
      expect(judge(schema, { n: 3, note: 'b' }, { n: 3, note: 'a' })).toEqual({
        errors: [],
        warnings: ['spec.n: Invalid value: 3: failed rule: self > 5'],
      });
      expect(errorsOf(schema, { n: 4 }, { n: 3 })).toHaveLength(1);
    });

    test('may keep it inside of a list that did not change', () => {
      const list: JSONSchemaProps = { type: 'array', items: withRules(integer, rule('self > 5')) };
      expect(judge(object({ list, note: text }), { list: [3], note: 'b' }, { list: [3] }).errors).toEqual([]);
      expect(errorsOf(object({ list }), { list: [3, 6] }, { list: [3] })).toHaveLength(1);
    });

    test('may keep a list of a set that holds something twice', () => {
      const set: JSONSchemaProps = { type: 'array', 'x-kubernetes-list-type': 'set', items: text };
      expect(errorsOf(object({ set }), { set: ['a', 'a', 'b'] }, { set: ['a', 'a'] })).toEqual([]);
      expect(errorsOf(object({ set }), { set: ['a', 'a'] }, { set: ['a'] })).toHaveLength(1);
    });
  });

  test('whose rules cost too much is refused, not evaluated to the end', () => {
    const expensive = rule('self.list.all(x, self.list.all(y, self.list.all(z, x + y + z >= 0)))', { message: 'm' });
    const schema = withRules(object({ list: { type: 'array', items: integer } }), expensive, rule('false'));
    const list = Array.from({ length: 400 }, (_, i) => i);
    expect(errorsOf(schema, { list })).toEqual([
      `spec: Invalid value: "object": 'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to call cost exceeds limit for rule: m`,
    ]);
  });

  test('whose rules together cost too much is refused', () => {
    const each = rule('self.list.all(x, self.list.all(y, x + y >= 0))', { message: 'm' });
    const schema = withRules(
      object({ list: { type: 'array', items: integer } }),
      ...Array.from({ length: 30 }, () => each),
    );
    const list = Array.from({ length: 350 }, (_, i) => i);
    expect(errorsOf(schema, { list })).toEqual([
      'spec: Invalid value: "object": validation failed due to running out of cost budget, no further validation rules will be run',
    ]);
  });
});
