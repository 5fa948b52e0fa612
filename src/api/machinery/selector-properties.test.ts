/** What holds for every selector: what is written is read again as it was, and a simple reading of the rules agrees. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type FieldRequirement, formatFieldSelector, matchesFields, parseFieldSelector } from './field-selector.ts';
import {
  formatSelector,
  type LabelOperator,
  type LabelRequirement,
  matchesLabels,
  parseLabelSelector,
  selectorFrom,
  selectorOfLabels,
} from './label-selector.ts';

const KEYS = ['a', 'b', 'x.io/c', 'toString', 'constructor', 'in', 'notin'];
const VALUES = ['', '1', '2', '10', 'x', 'in'];
const key = fc.constantFrom(...KEYS);
const value = fc.constantFrom(...VALUES);
const labels = fc
  .array(fc.tuple(key, value), { maxLength: 5 })
  .map((pairs) => Object.fromEntries(pairs) as Record<string, string>);

const operator = (...operators: LabelOperator[]) => fc.constantFrom(...operators);
const requirementOf = (of: fc.Arbitrary<LabelOperator>, values: fc.Arbitrary<string[]>) =>
  fc.record({ key, operator: of, values });
const requirement: fc.Arbitrary<LabelRequirement> = fc.oneof(
  requirementOf(
    operator('=', '==', '!='),
    value.map((one) => [one]),
  ),
  requirementOf(operator('in', 'notin'), fc.uniqueArray(value, { minLength: 1, maxLength: 3 })),
  requirementOf(operator('exists', '!'), fc.constant([])),
  requirementOf(operator('>', '<'), fc.constantFrom(['1'], ['10'])),
);

/** As the documentation puts it, without a thought for speed. */
function holds({ key: name, operator: how, values }: LabelRequirement, of: Record<string, string>): boolean {
  const has = Object.hasOwn(of, name);
  const own = has ? of[name]! : '';
  const number = /^-?\d+$/.test(own) ? Number(own) : undefined;
  switch (how) {
    case '=':
    case '==':
    case 'in':
      return has && values.includes(own);
    case '!=':
    case 'notin':
      return !has || !values.includes(own);
    case 'exists':
      return has;
    case '!':
      return !has;
    case '>':
      return number !== undefined && number > Number(values[0]);
    case '<':
      return number !== undefined && number < Number(values[0]);
  }
}

function parsed(text: string) {
  const result = parseLabelSelector(text);
  if (!result.ok) throw new Error(`${text}: ${result.error}`);
  return result.value;
}

describe('every label selector', () => {
  const requirements = fc.array(requirement, { maxLength: 4 });

  test('matches what its requirements, read one by one, match; written and read again it does still', () => {
    fc.assert(
      fc.property(requirements, labels, (all, of) => {
        const expected = all.every((one) => holds(one, of));
        const text = formatSelector({ requirements: all });
        const again = parsed(text);
        expect([text, matchesLabels({ requirements: all }, of), matchesLabels(again, of)]).toEqual([
          text,
          expected,
          expected,
        ]);
        expect(formatSelector(again)).toBe(formatSelector(parsed(formatSelector(again))));
      }),
      { numRuns: 500 },
    );
  });

  test('does not care for blanks, nor for the order of its parts', () => {
    fc.assert(
      fc.property(requirements, labels, (all, of) => {
        const parts = all.map((one) => formatSelector({ requirements: [one] }));
        const loose = [...parts].reverse().map((part) => ` ${part.replaceAll(',', ' , ')} `);
        expect(matchesLabels(parsed(loose.join(',')), of)).toBe(matchesLabels(parsed(parts.join(',')), of));
      }),
      { numRuns: 300 },
    );
  });

  test('of labels alone matches exactly what has them, whichever form it comes in', () => {
    fc.assert(
      fc.property(labels, labels, (wanted, of) => {
        const expected = Object.entries(wanted).every(([name, one]) => Object.hasOwn(of, name) && of[name] === one);
        expect(matchesLabels(selectorOfLabels(wanted), of)).toBe(expected);
        expect(matchesLabels(selectorFrom({ matchLabels: wanted }), of)).toBe(expected);
        const matchExpressions = Object.entries(wanted).map(([name, one]) => ({
          key: name,
          operator: 'In',
          values: [one],
        }));
        expect(matchesLabels(selectorFrom({ matchExpressions }), of)).toBe(expected);
      }),
      { numRuns: 300 },
    );
  });

  test('that can be typed is read or refused, with what is read written as it can be read again', () => {
    const typed = fc.array(fc.constantFrom(...'ab1=!,()<> ', 'in', 'notin', 'x.io/'), { maxLength: 12 });
    fc.assert(
      fc.property(typed, (parts) => {
        const result = parseLabelSelector(parts.join(''));
        if (!result.ok) expect(result.error).not.toBe('');
        else expect(formatSelector(parsed(formatSelector(result.value)))).toBe(formatSelector(result.value));
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('every field selector', () => {
  const field = fc.constantFrom('metadata.name', 'spec.nodeName', 'status.phase');
  const text = fc.string({ unit: fc.constantFrom('a', ',', '=', '\\', '!', ' ', '.'), maxLength: 6 });
  const operators: FieldRequirement['operator'][] = ['=', '!='];
  const required: fc.Arbitrary<FieldRequirement> = fc.record({
    field,
    operator: fc.constantFrom(...operators),
    value: text,
  });

  test('is read again as it was written, whatever its values hold, and matches what its parts match', () => {
    fc.assert(
      fc.property(fc.array(required, { maxLength: 3 }), fc.dictionary(field, text), (all, of) => {
        const result = parseFieldSelector(formatFieldSelector(all));
        expect(result).toEqual({ ok: true, value: all });
        const fieldOf = (name: string) => (Object.hasOwn(of, name) ? of[name]! : '');
        const expected = all.every((one) => (one.operator === '=') === (fieldOf(one.field) === one.value));
        expect(matchesFields(all, fieldOf)).toBe(expected);
      }),
      { numRuns: 500 },
    );
  });
});
