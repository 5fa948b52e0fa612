/** Semantic versions: the library of Kubernetes. Source: semver.org; messages as of github.com/blang/semver. */
import * as cel from '../cel-type.ts';
import { wholeOf } from '../int64.ts';
import { type Evaluate, type FunctionDeclaration, type Library, member, overload } from '../library.ts';
import { CelError, Opaque, type Result, type Value } from '../value.ts';
import { alongText, nominal } from './costs.ts';

const { BOOL, INT, STRING } = cel;
export const SEMVER = cel.objectNamed('kubernetes.Semver');

class SemverValue extends Opaque {
  readonly numbers: readonly bigint[];
  readonly preRelease: readonly string[];
  readonly text: string;
  constructor(numbers: readonly bigint[], preRelease: readonly string[], text: string) {
    super();
    this.numbers = numbers;
    this.preRelease = preRelease;
    this.text = text;
  }
  get type() {
    return SEMVER;
  }
  equals(other: Value): boolean {
    return other instanceof SemverValue && order(this, other) === 0;
  }
  override toJson(): unknown {
    return this.text;
  }
}

const FORM = /^(\d+)\.(\d+)\.(\d+)(?:-([^+]*))?(?:\+(.*))?$/s;
const MAX_UINT64 = (1n << 64n) - 1n;
const NAMES = ['Major', 'Minor', 'Patch'] as const;

/** An error with the reason of a text that is no version. */
export const semverOf = (text: string): Result => parse(text);

function parse(text: string): SemverValue | CelError {
  if (text === '') return new CelError('Version string empty');
  const parts = FORM.exec(text);
  if (!parts) return new CelError(whyNot(text));
  const [, major, minor, patch, pre, build] = parts;
  const numbers = [major!, minor!, patch!];
  for (const [i, number] of numbers.entries()) {
    if (number.length > 1 && number.startsWith('0'))
      return new CelError(`${NAMES[i]} number must not contain leading zeroes ${JSON.stringify(number)}`);
    if (number.length > 20 || BigInt(number) > MAX_UINT64)
      return new CelError(`strconv.ParseUint: parsing ${JSON.stringify(number)}: value out of range`);
  }
  const error = whyNoPreRelease(pre) ?? whyNoBuild(build);
  if (error !== undefined) return new CelError(error);
  return new SemverValue(numbers.map(BigInt), pre?.split('.') ?? [], text);
}

function whyNot(text: string): string {
  const parts = text.split(/\.(.*)/s, 2).flatMap((part, i) => (i === 0 ? [part] : part.split(/\.(.*)/s, 2)));
  if (parts.length !== 3) return 'No Major.Minor.Patch elements found';
  const [major, minor, rest] = parts as [string, string, string];
  const numbers = [major, minor, rest.replace(/[-+].*$/s, '')];
  const bad = numbers.findIndex((number) => !/^\d+$/.test(number));
  if (numbers[bad] === '') return 'strconv.ParseUint: parsing "": invalid syntax';
  return `Invalid character(s) found in ${NAMES[bad]!.toLowerCase()} number ${JSON.stringify(numbers[bad])}`;
}

function whyNoPreRelease(pre: string | undefined): string | undefined {
  for (const part of pre?.split('.') ?? []) {
    if (part === '') return 'Prerelease is empty';
    if (/^0\d+$/.test(part))
      return `Numeric PreRelease version must not contain leading zeroes ${JSON.stringify(part)}`;
    if (!/^[0-9A-Za-z-]+$/.test(part)) return `Invalid character(s) found in prerelease ${JSON.stringify(part)}`;
  }
  return undefined;
}

function whyNoBuild(build: string | undefined): string | undefined {
  for (const part of build?.split('.') ?? []) {
    if (part === '') return 'Build meta data is empty';
    if (!/^[0-9A-Za-z-]+$/.test(part)) return `Invalid character(s) found in build meta data ${JSON.stringify(part)}`;
  }
  return undefined;
}

/** `v1.2` → `1.2.0`, `01.02.03` → `1.2.3`. */
function parseLoosely(text: string): SemverValue | CelError {
  const [first, second, ...rest] = text.replace(/^v/, '').split('.');
  const parts = [first!, ...(second === undefined ? [] : [second]), ...(rest.length === 0 ? [] : [rest.join('.')])];
  const numbers = parts.map((part) => (part.length > 1 ? part.replace(/^0+/, '').replace(/^(?!\d)/, '0') : part));
  if (numbers.length < 3 && /[+-]/.test(numbers.at(-1)!))
    return new CelError('short version cannot contain PreRelease/Build meta data');
  while (numbers.length < 3) numbers.push('0');
  return parse(numbers.join('.'));
}

/** Builds do not count. */
function order(a: SemverValue, b: SemverValue): number {
  for (const [i, number] of a.numbers.entries()) {
    const other = b.numbers[i]!;
    if (number !== other) return number < other ? -1 : 1;
  }
  if (a.preRelease.length === 0 || b.preRelease.length === 0)
    return Math.sign(b.preRelease.length - a.preRelease.length);
  for (const [i, part] of a.preRelease.entries()) {
    const other = b.preRelease[i];
    const difference = other === undefined ? 1 : orderOfParts(part, other);
    if (difference !== 0) return difference;
  }
  return Math.sign(a.preRelease.length - b.preRelease.length);
}

/** Numbers come before words. */
function orderOfParts(a: string, b: string): number {
  const [isNumber, isOtherNumber] = [/^\d+$/.test(a), /^\d+$/.test(b)];
  if (isNumber !== isOtherNumber) return isNumber ? -1 : 1;
  if (a === b) return 0;
  // Without leading zeros the longer number is the greater.
  return (isNumber && a.length !== b.length ? a.length < b.length : a < b) ? -1 : 1;
}

const read = (text: string, isLoose = false): Result => (isLoose ? parseLoosely(text) : parse(text));
const isOne = (text: string, isLoose = false): Result => !(read(text, isLoose) instanceof CelError);

const TWO = [SEMVER, SEMVER];

const compares = (name: string, id: string, evaluate: Evaluate, result = BOOL): FunctionDeclaration => ({
  name,
  overloads: [member(id, TWO, result, evaluate)],
  ...nominal,
});

const number = (name: string, id: string, index: number): FunctionDeclaration => ({
  name,
  overloads: [member(id, [SEMVER], INT, ({ numbers }: SemverValue) => wholeOf(numbers[index]!))],
  ...nominal,
});

export const semvers: Library = {
  name: 'kubernetes.Semver',
  functions: [
    {
      name: 'semver',
      overloads: [
        overload('string_to_semver', [STRING], SEMVER, read),
        overload('string_bool_to_semver', [STRING, BOOL], SEMVER, read),
      ],
      ...alongText,
    },
    {
      name: 'isSemver',
      overloads: [
        overload('is_semver_string', [STRING], BOOL, isOne),
        overload('is_semver_string_bool', [STRING, BOOL], BOOL, isOne),
      ],
      ...alongText,
    },
    compares('isGreaterThan', 'semver_is_greater_than', (a: SemverValue, b: SemverValue) => order(a, b) > 0),
    compares('isLessThan', 'semver_is_less_than', (a: SemverValue, b: SemverValue) => order(a, b) < 0),
    compares('compareTo', 'semver_compare_to', order, INT),
    number('major', 'semver_major', 0),
    number('minor', 'semver_minor', 1),
    number('patch', 'semver_patch', 2),
  ],
};
