/** Amounts of resources: the quantity library of Kubernetes. */
import { formatQuantity, parseQuantity, type Quantity } from '../../quantity.ts';
import * as cel from '../cel-type.ts';
import { INT64_MAX, wholeOf } from '../int64.ts';
import { type Evaluate, type FunctionDeclaration, type Library, member, overload } from '../library.ts';
import { CelError, Double, type Int, Opaque, type Result, type Value } from '../value.ts';
import { alongText, nominal } from './costs.ts';

const { BOOL, DOUBLE, INT, STRING } = cel;
export const QUANTITY = cel.objectNamed('kubernetes.Quantity');
const NANOS = 1_000_000_000n;

class QuantityValue extends Opaque {
  readonly quantity: Quantity;
  readonly decimals: number;
  constructor(quantity: Quantity, decimals: number) {
    super();
    this.quantity = quantity;
    this.decimals = decimals;
  }
  get type() {
    return QUANTITY;
  }
  equals(other: Value): boolean {
    return other instanceof QuantityValue && other.quantity.nanos === this.quantity.nanos;
  }
  override toJson(): unknown {
    return formatQuantity(this.quantity);
  }
}

const BAD_FORM = new CelError(
  "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
);
const BAD_SUFFIX = new CelError("unable to parse quantity's suffix");

/** Blanks at the ends, which amounts in objects may have, are none here. */
function parse(text: string): Quantity | undefined {
  return text.trim() === text ? parseQuantity(text) : undefined;
}

/** Of the text of an amount. */
export function quantityOf(text: string): Result {
  const quantity = parse(text);
  if (quantity) return new QuantityValue(quantity, decimalsOf(text));
  return /^[+-]?\d*\.?\d*[eEinumkKMGTP]*[-+]?\d*$/.test(text) && text !== '' ? BAD_SUFFIX : BAD_FORM;
}

/**
 * Whole, of 64 bits, and known to be so by upstream: which keeps 1000m as a thousand thousandths, and large amounts in a
 * form that it takes for no integer.
 */
function wholeIn({ quantity: { nanos }, decimals }: QuantityValue): Int | undefined {
  if (decimals > 0 || nanos % NANOS !== 0n) return undefined;
  const value = nanos / NANOS;
  return value >= INT64_MAX || value <= -INT64_MAX ? undefined : wholeOf(value);
}

const EXPONENTS: Readonly<Record<string, number>> = { n: -9, u: -6, m: -3, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };

/** The digits behind the point that upstream keeps; Infinity for an amount that it does not keep in 64 bits. */
function decimalsOf(text: string): number {
  const [, whole = '', fraction = '', suffix = ''] = /^[+-]?(\d*)\.?(\d*)(.*)$/.exec(text)!;
  const digits = whole.replace(/^0+/, '').length + fraction.replace(/0+$/, '').length;
  const kept = fraction.replace(/0+$/, '').length;
  if (suffix.endsWith('i')) {
    const bits = ('KMGTPE'.indexOf(suffix[0]!) + 1) * 10;
    return kept === 0 && 14 - digits - Math.trunc((bits * 3) / 10) >= 0 ? 0 : Number.POSITIVE_INFINITY;
  }
  const exponent = EXPONENTS[suffix] ?? (suffix === '' ? 0 : Number(suffix.slice(1)));
  return digits > 18 ? Number.POSITIVE_INFINITY : kept - exponent;
}

const order = ({ quantity: { nanos: a } }: QuantityValue, { quantity: { nanos: b } }: QuantityValue): number =>
  a < b ? -1 : a > b ? 1 : 0;

/** In the format of the first that is not zero. */
function added({ quantity: a, decimals }: QuantityValue, other: QuantityValue, sign: 1n | -1n): QuantityValue {
  const { quantity: b } = other;
  const format = a.nanos === 0n ? b.format : a.format;
  return new QuantityValue({ nanos: a.nanos + sign * b.nanos, format }, Math.max(decimals, other.decimals));
}

const ofInt = (value: Int): QuantityValue =>
  new QuantityValue({ nanos: BigInt(value) * NANOS, format: 'DecimalExponent' }, 0);

const TWO = [QUANTITY, QUANTITY];

const compares = (name: string, id: string, evaluate: Evaluate, result = BOOL): FunctionDeclaration => ({
  name,
  overloads: [member(id, TWO, result, evaluate)],
  ...nominal,
});

const asks = (name: string, id: string, result: cel.CelType, evaluate: Evaluate): FunctionDeclaration => ({
  name,
  overloads: [member(id, [QUANTITY], result, evaluate)],
  ...nominal,
});

const NOT_WHOLE = new CelError('cannot convert value to integer');

export const quantities: Library = {
  name: 'kubernetes.quantity',
  functions: [
    { name: 'quantity', overloads: [overload('string_to_quantity', [STRING], QUANTITY, quantityOf)], ...alongText },
    {
      name: 'isQuantity',
      overloads: [overload('is_quantity_string', [STRING], BOOL, (text: string) => parse(text) !== undefined)],
      ...alongText,
    },
    {
      name: 'sign',
      overloads: [
        overload('quantity_sign', [QUANTITY], INT, ({ quantity: { nanos } }: QuantityValue) =>
          nanos < 0n ? -1 : nanos > 0n ? 1 : 0,
        ),
      ],
      ...nominal,
    },
    compares('isGreaterThan', 'quantity_is_greater_than', (a: QuantityValue, b: QuantityValue) => order(a, b) > 0),
    compares('isLessThan', 'quantity_is_less_than', (a: QuantityValue, b: QuantityValue) => order(a, b) < 0),
    compares('compareTo', 'quantity_compare_to', order, INT),
    asks('asApproximateFloat', 'quantity_get_float', DOUBLE, ({ quantity: { nanos } }: QuantityValue) => {
      return new Double(Number(nanos / NANOS) + Number(nanos % NANOS) / 1e9);
    }),
    asks('asInteger', 'quantity_get_int', INT, (value: QuantityValue) => wholeIn(value) ?? NOT_WHOLE),
    asks('isInteger', 'quantity_is_integer', BOOL, (value: QuantityValue) => wholeIn(value) !== undefined),
    {
      name: 'add',
      overloads: [
        member('quantity_add', TWO, QUANTITY, (a: QuantityValue, b: QuantityValue) => added(a, b, 1n)),
        member('quantity_add_int', [QUANTITY, INT], QUANTITY, (a: QuantityValue, b: Int) => added(a, ofInt(b), 1n)),
      ],
      ...nominal,
    },
    {
      name: 'sub',
      overloads: [
        member('quantity_sub', TWO, QUANTITY, (a: QuantityValue, b: QuantityValue) => added(a, b, -1n)),
        member('quantity_sub_int', [QUANTITY, INT], QUANTITY, (a: QuantityValue, b: Int) => added(a, ofInt(b), -1n)),
      ],
      ...nominal,
    },
  ],
};
