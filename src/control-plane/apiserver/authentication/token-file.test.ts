import { expect, test } from 'vitest';
import { parseTokenFile } from './token-file.ts';

const alice = { name: 'alice', uid: '1', groups: [] };

test.each([
  ['t,alice,1', [['t', alice]]],
  [
    't,alice,1\n\nu,bob,2\n',
    [
      ['t', alice],
      ['u', { name: 'bob', uid: '2', groups: [] }],
    ],
  ],
  ['t,alice,1,"a,b"\r\n', [['t', { ...alice, groups: ['a', 'b'] }]]],
  ['t,alice,1,one', [['t', { ...alice, groups: ['one'] }]]],
  ['t,"al ""x"" ice",1', [['t', { ...alice, name: 'al "x" ice' }]]],
  ['t,alice,', [['t', { name: 'alice', groups: [] }]]],
  ['t,alice,1,', [['t', alice]]],
])('%j', (text, users) => {
  expect([...parseTokenFile(text).users]).toEqual(users);
});

test.each([
  ['secret,alice', /^line 1: .*at least 3 columns .* found 2$/],
  ['a,b,c\nsecret', /^line 2: .*found 1$/],
  ['a,b"c,d', /^line 1: a quote/],
])('%j is refused without telling the token', (text, message) => {
  expect(() => parseTokenFile(text)).toThrow(message);
  expect(() => parseTokenFile(text)).not.toThrow(/secret/);
});

test('an empty token is nobody, a repeated one is the last', () => {
  const { users, warnings } = parseTokenFile(',alice,1\nt,bob,2\nt,carol,3');
  expect([...users.values()].map(({ name }) => name)).toEqual(['carol']);
  expect(warnings).toHaveLength(2);
});
