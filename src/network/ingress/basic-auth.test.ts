import { expect, test } from 'vitest';
import { usersIn } from './basic-auth.ts';
import { isPassword } from './password-hash.ts';

test.each([
  ['secret', '$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/', true],
  ['a much longer password of more than sixteen', '$apr1$xyz$pTVFCrQQltP.yP98X7qy1/', true],
  ['secre', '$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/', false],
  ['secret', '{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=', true],
  ['Secret', '{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=', false],
  ['secret', 'secret', false],
  ['secret', '$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC', false], // bcrypt is not known
])('the password %s under %s: %s', (password, hash, is) => expect(isPassword(password, hash)).toBe(is));

const base64 = (text: string) => Buffer.from(text).toString('base64');

test('a Secret holds a file, or a user under each key', () => {
  expect(usersIn({ auth: base64('jane:{SHA}a\n# none\n\njoe:$apr1$b\r\n') }, true)).toEqual([
    ['jane', '{SHA}a'],
    ['joe', '$apr1$b'],
  ]);
  expect(usersIn({ jane: base64('{SHA}a') }, false)).toEqual([['jane', '{SHA}a']]);
});
