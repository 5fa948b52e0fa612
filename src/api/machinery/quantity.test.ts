import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  addQuantities,
  canonicalQuantity,
  compareQuantities,
  formatQuantity,
  isQuantity,
  parseQuantity,
  quantityMilliValue,
  quantityValue,
  subtractQuantities,
} from './quantity.ts';

test.each([
  ['0', '0'],
  ['0.5', '500m'],
  ['1000m', '1'],
  ['1500m', '1500m'],
  ['100000', '100k'],
  ['1024Mi', '1Gi'],
  ['1.5Gi', '1536Mi'],
  ['0.1Gi', '107374182400m'],
  ['1023Ki', '1023Ki'],
  ['512', '512'],
  ['0.5Ki', '512'],
  ['1e3', '1e3'],
  ['1E', '1E'],
  ['1E2', '100'],
  ['-1', '-1'],
  ['.5', '500m'],
  ['1n', '1n'],
  ['0.1n', '1n'],
  ['-0.1n', '-1n'],
  ['1u', '1u'],
  ['3Ei', '3Ei'],
  ['.', '0'], // upstream finds no digit missing
  ['Gi', '0'],
  ['1e-400', '1e-9'],
  ['1e-1000', '1e-9'],
  ['0e-99999', '0'],
])('%s is written %s', (text, expected) => {
  expect(canonicalQuantity(text)).toBe(expected);
});

// As apimachinery v0.36 answers.
test.each([
  ['12E', '12E'],
  ['1E20', '100e18'],
  ['1e22', '10e21'],
  ['1e999', '1e999'],
  ['-1e30', '-1e30'],
  ['0.1e30', '100e27'],
  ['1.5e30', '1500e27'],
  ['9.3e18', '9300e15'],
  ['9223372036854775808', '9223372036854775808'],
  ['100000000000000000000', '100E'],
  ['123456789012345678901234567890m', '123456789012345678901234567890m'],
  ['8.5Ei', '9223372036854775807'],
  ['-9999999999Gi', '-9223372036854775807'],
  ['7Ei', '7Ei'],
  ['9223372036854775807Ki', '9223372036854775807'],
  ['9'.repeat(80), '9'.repeat(80)],
  ['+2', '+2'],
  ['-0', '0'],
  ['5.', '5.'],
  ['01', '01'],
  ['1.500', '1.500'],
  ['-1.500', '-1.500'],
  ['2.000', '2'],
  ['0.250', '250m'],
  ['+1Gi', '+1Gi'],
  ['012Ki', '012Ki'],
  ['1.Gi', '1.Gi'],
  ['+16Ki', '16Ki'],
  ['1.25Ki', '1280'],
  ['0.0001Ki', '102400u'],
  ['1E3', '1E3'],
  ['1e+3', '1e+3'],
  ['1e-03', '1e-03'],
  ['1e-0', '1e-0'],
  ['1e05', '100e3'],
  ['1e-05', '10e-6'],
  ['12345e-7', '1234500e-9'],
  ['1000e3', '1e6'],
  ['1.000000001', '1.000000001'],
  ['1.0000000001', '1000000001n'],
])('%s is written %s by upstream and here', (text, expected) => {
  expect(canonicalQuantity(text)).toBe(expected);
});

test.each(['', ' ', '1 Gi', '1gi', '1Gib', '0x10', '1e', '1e1000', '--1', '1.2.3', '9'.repeat(300)])(
  '%j is no quantity',
  (text) => {
    expect(isQuantity(text)).toBe(false);
  },
);

test('amounts compare, add and subtract whatever they are written in', () => {
  expect(compareQuantities('1', '1000m')).toBe(0);
  expect(compareQuantities('1Gi', '1G')).toBe(1);
  expect(compareQuantities(undefined, '1m')).toBe(-1);
  expect(addQuantities('100m', '0.9', undefined)).toBe('1');
  expect(addQuantities('0', '1Gi', '1Gi')).toBe('2Gi');
  expect(addQuantities()).toBe('0');
  expect(subtractQuantities('2Gi', '512Mi')).toBe('1536Mi');
});

test('values are rounded up to whole units', () => {
  expect(quantityValue('1500m')).toBe(2);
  expect(quantityValue('1Ki')).toBe(1024);
  expect(quantityMilliValue('0.0005')).toBe(1);
  expect(quantityMilliValue('-1500u')).toBe(-1);
  expect(quantityMilliValue(undefined)).toBe(0);
  for (const value of [quantityValue, quantityMilliValue]) {
    expect(value('1e999') - value('1e999')).toBe(0);
    expect(value('1e999')).toBe(2 ** 63);
    expect(value('-1e999')).toBe(-(2 ** 63));
  }
});

test('what is written is read as the same amount and written the same again', () => {
  const nanos = fc.bigInt({ min: -(10n ** 27n), max: 10n ** 27n });
  const format = fc.constantFrom('DecimalSI' as const, 'BinarySI' as const, 'DecimalExponent' as const);
  fc.assert(
    fc.property(nanos, format, (amount, form) => {
      const text = formatQuantity({ nanos: amount, format: form });
      expect(parseQuantity(text)?.nanos).toBe(amount);
      expect(canonicalQuantity(text)).toBe(text);
    }),
  );
});
