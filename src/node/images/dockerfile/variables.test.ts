import { expect, test } from 'vitest';
import { expanded, pairsOf, wordsOf } from './words.ts';

const values = new Map([
  ['A', 'one'],
  ['EMPTY', ''],
  ['B', 'two'],
  ['FILE', 'foobarbaz.tar.gz'],
  ['MANY', 'a'.repeat(1000)],
]);

const dollars = (text: string) => text.replaceAll('§', '$');

test.each([
  ['$A-§{B}', 'one-two'],
  ['§{A}x', 'onex'],
  ['$MISSING', ''],
  ['$', '$'],
  ['$1', '$1'],
  ['\\$A', '$A'],
  ['\\§{A}', '§{A}'],
  ["'$A'", '$A'],
  ['"$A"', 'one'],
  ['§{MISSING:-x}', 'x'],
  ['§{EMPTY:-x}', 'x'],
  ['§{EMPTY-x}', ''],
  ['§{MISSING-x}', 'x'],
  ['§{MISSING:-}', ''],
  ['§{A:+x}', 'x'],
  ['§{EMPTY:+x}', ''],
  ['§{EMPTY+x}', 'x'],
  ['§{MISSING+x}', ''],
  ['§{MISSING:-§{B}}', 'two'],
  ['§{MISSING:-§{OTHER:-$A}/x}', 'one/x'],
  ['§{A:?must be}', 'one'],
  ['§{EMPTY?must be}', ''],
  ['§{FILE#*ba}', 'rbaz.tar.gz'],
  ['§{FILE##*ba}', 'z.tar.gz'],
  ['§{FILE%.*}', 'foobarbaz.tar'],
  ['§{FILE%%.*}', 'foobarbaz'],
  ['§{FILE%.zip}', 'foobarbaz.tar.gz'],
  ['§{FILE/ba/-}', 'foo-rbaz.tar.gz'],
  ['§{FILE//ba?/-}', 'foo--.tar.gz'],
  ['§{FILE/.tar.gz/}', 'foobarbaz'],
  ['§{FILE#*a*a*.}', 'tar.gz'],
  ['§{FILE#f?o\\*}', 'foobarbaz.tar.gz'],
  ['§{FILE##*}', ''],
  ['§{FILE#*}', 'foobarbaz.tar.gz'],
  [`§{MANY##${'*a'.repeat(20)}*b}`, 'a'.repeat(1000)],
])('%s is %j (§ is the dollar sign)', (text, value) => {
  expect(expanded(dollars(text), values)).toBe(dollars(value));
});

test.each([
  ['§{A', 'unsupported substitution: §{A'],
  ['§{A!}', 'unsupported substitution: §{A!}'],
  ['§{MISSING:?must be there}', 'MISSING: must be there'],
  ['§{EMPTY:?}', 'EMPTY: not set'],
  [`§{FILE#${'x'.repeat(1001)}}`, 'a pattern and what it is for have at most 1000 characters'],
])('%s is refused: %s', (text, why) => {
  expect(() => expanded(dollars(text), values)).toThrow(dollars(why));
});

test('words are split outside of quotes, and another escape character may be said', () => {
  expect(wordsOf('a "b c" d\\ e \'f g\'', values)).toEqual(['a', 'b c', 'd e', 'f g']);
  expect(wordsOf('C:\\dir `$A d` e', values, '`')).toEqual(['C:\\dir', '$A', 'd e']);
  expect(pairsOf(dollars('A=1 B="two words" C=§{A}x'), values)).toEqual([
    ['A', '1'],
    ['B', 'two words'],
    ['C', 'onex'],
  ]);
});
