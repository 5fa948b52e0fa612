import { describe, expect, test } from 'vitest';
import { durationOf, type FlagSpec, parseArguments } from './flags.ts';
import { withLeadingFlagsBehind } from './global-flags.ts';

const SPECS: readonly FlagSpec[] = [
  { name: 'output', short: 'o', type: 'string', summary: '' },
  { name: 'watch', short: 'w', type: 'bool', summary: '' },
  { name: 'filename', short: 'f', type: 'list', summary: '' },
  { name: 'env', short: 'e', type: 'repeated', summary: '' },
  { name: 'dry-run', type: 'string', default: 'none', bare: 'unchanged', summary: '' },
  { name: 'tail', type: 'int', default: '-1', summary: '' },
  { name: 'timeout', type: 'duration', default: '0s', summary: '' },
];

describe('arguments', () => {
  test.each([
    [['-o', 'yaml'], 'yaml'],
    [['-oyaml'], 'yaml'],
    [['-o=yaml'], 'yaml'],
    [['--output', 'yaml'], 'yaml'],
    [['--output=yaml'], 'yaml'],
    [['-woyaml'], 'yaml'],
  ])('%j give a flag its value', (argv, expected) =>
    expect(parseArguments(SPECS, ['a', ...argv, 'b']).flags.string('output')).toBe(expected),
  );
  test('stand anywhere; behind -- there are no flags', () => {
    const { args, argsBeforeDash, flags } = parseArguments(SPECS, ['a', '-w', 'b', '--', '-x', '--', 'c']);
    expect([args, argsBeforeDash, flags.bool('watch')]).toEqual([['a', 'b', '-x', '--', 'c'], 2, true]);
  });
  test('a list is cut at commas, a repeated flag is not', () => {
    const { flags } = parseArguments(SPECS, ['-f', 'a,b', '-fc', '-e', 'x,y', '-e=z']);
    expect([flags.list('filename'), flags.list('env')]).toEqual([
      ['a', 'b', 'c'],
      ['x,y', 'z'],
    ]);
  });
  test('whole numbers are those of 64 bits, each told from the next', () => {
    const { flags } = parseArguments(SPECS, ['--tail=9007199254740993']);
    expect(flags.int64('tail')).toBe(9007199254740993n);
    expect(parseArguments(SPECS, ['--tail=-9223372036854775808']).flags.int64('tail')).toBe(-(2n ** 63n));
  });
  test('a flag may have a value of its own when it stands alone', () => {
    expect(parseArguments(SPECS, ['--dry-run', 'x']).flags.string('dry-run')).toBe('unchanged');
    expect(parseArguments(SPECS, []).flags.string('dry-run')).toBe('none');
  });
  test.each([
    [['--nope'], 'unknown flag: --nope'],
    [['-wx'], "unknown shorthand flag: 'x' in -x"],
    [['--output'], 'flag needs an argument: --output'],
    [['-wo'], "flag needs an argument: 'o' in -o"],
    [
      ['--watch=maybe'],
      'invalid argument "maybe" for "-w, --watch" flag: strconv.ParseBool: parsing "maybe": invalid syntax',
    ],
    [
      ['--tail=9223372036854775808'],
      'invalid argument "9223372036854775808" for "--tail" flag: strconv.ParseInt: parsing "9223372036854775808": value out of range',
    ],
    [['--tail=x'], 'invalid argument "x" for "--tail" flag: strconv.ParseInt: parsing "x": invalid syntax'],
    [['--timeout=5'], 'invalid argument "5" for "--timeout" flag: time: missing unit in duration "5"'],
  ])('%j are refused', (argv, message) => expect(() => parseArguments(SPECS, argv)).toThrow(message));
  test.each([
    ['1h2m3.5s', 3_723_500],
    ['300ms', 300],
    ['-1s', -1000],
    ['0', 0],
    ['5', undefined],
  ])('%s is a time', (text, expected) => expect(durationOf(text)).toBe(expected));
});

test('flags in front of the command belong to it', () => {
  expect(withLeadingFlagsBehind(['-n', 'shop', '--context=c', 'get', 'pods'])).toEqual([
    'get',
    '-n',
    'shop',
    '--context=c',
    'pods',
  ]);
  expect(withLeadingFlagsBehind(['up', '--nodes', '2'])).toEqual(['up', '--nodes', '2']);
  expect(withLeadingFlagsBehind(['--version'])).toEqual(['--version']);
});
