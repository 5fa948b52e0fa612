import { expect, test } from 'vitest';
import { BasicAuths, usersIn } from './basic-auth.ts';
import { isPassword } from './password-hash.ts';

test.each([
  ['secret', '$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/', true],
  ['a much longer password of more than sixteen', '$apr1$xyz$pTVFCrQQltP.yP98X7qy1/', true],
  ['secre', '$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/', false],
  ['secret', '{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=', true],
  ['Secret', '{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=', false],
  ['secret', 'secret', false],
  ['secret', '$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a', true],
  ['secres', '$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a', false],
  ['secret', '$2y$31$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a', false], // would take a year
  ['secret', '$2y$03$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a', false], // there is no such cost
])('the password %s under %s: %s', async (password, hash, is) => expect(await isPassword(password, hash)).toBe(is));

const base64 = (text: string) => Buffer.from(text).toString('base64');

test('a Secret holds a file, or a user under each key', () => {
  expect(usersIn({ auth: base64('jane:{SHA}a\n# none\n\njoe:$apr1$b\r\n') }, true)).toEqual([
    ['jane', '{SHA}a'],
    ['joe', '$apr1$b'],
  ]);
  expect(usersIn({ jane: base64('{SHA}a') }, false)).toEqual([['jane', '{SHA}a']]);
});

const auth = { secret: 'shop/users', isFile: true, realm: 'shop' };
const said = (text: string) => `Basic ${base64(text)}`;

/** What jane may say, and what comes of it. */
const SAID = [
  ['jane:secret', undefined],
  ['jane:guess', 401],
] as const;

function withSlowHash(): BasicAuths {
  const auths = new BasicAuths();
  auths.put('shop/users', [['jane', '$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a']]);
  return auths;
}

test('a slow hash is reckoned once for what a client repeats, right or wrong', async () => {
  const auths = withSlowHash();
  for (const [text, status] of SAID) {
    const first = auths.refusalFor(auth, said(text));
    expect(first).toBeInstanceOf(Promise);
    expect((await first)?.status).toBe(status);
    const again = auths.refusalFor(auth, said(text));
    expect(again).not.toBeInstanceOf(Promise);
    expect((await again)?.status).toBe(status);
  }
});

test('requests that come at once with the same password are one question', async () => {
  const auths = withSlowHash();
  for (const [text, status] of SAID) {
    const answers = Array.from({ length: 100 }, () => auths.refusalFor(auth, said(text)));
    expect(new Set((await Promise.all(answers)).map((answer) => answer?.status))).toEqual(new Set([status]));
  }
});

test('who guesses at slow hashes makes no queue without end', async () => {
  const auths = withSlowHash();
  const guesses = Array.from({ length: 40 }, (_, i) => auths.refusalFor(auth, said(`jane:${i}`)));
  const statuses = (await Promise.all(guesses)).map((answer) => answer?.status);
  expect(statuses.filter((status) => status === 401)).toHaveLength(32);
  expect(statuses.filter((status) => status === 503)).toHaveLength(8);
  expect((await auths.refusalFor(auth, said('jane:secret')))?.status).toBeUndefined();
});
