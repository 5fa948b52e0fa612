import { expect, test } from 'vitest';
import { authenticatorChain, forAudiences, tokenChain } from './authenticator-chain.ts';

const nobody = { name: 'system:anonymous', groups: ['system:unauthenticated'] };

test.each([
  [{ enabled: true }, '/api', true],
  [{ enabled: false }, '/livez', false],
  [{ enabled: true, paths: ['/livez', '/readyz'] }, '/livez', true],
  [{ enabled: true, paths: ['/livez'] }, '/livez/ping', false],
  [{ enabled: true, paths: ['/livez'] }, '/api', false],
])('with %j nobody may ask for %s: %s', async (access, path, allowed) => {
  const chain = authenticatorChain([], () => access);
  const known = await chain.authenticate({ headers: {}, path });
  expect(known?.user).toEqual(allowed ? nobody : undefined);
});

const alice = { user: { name: 'alice', groups: [] } };

test('a kind of token that finds one bad does not keep another from knowing it', async () => {
  const bad = {
    authenticateToken: async () => {
      throw new Error('expired');
    },
  };
  const good = { authenticateToken: async () => alice };
  expect(await tokenChain([bad, good]).authenticateToken('t', [])).toMatchObject({ user: { name: 'alice' } });
  await expect(tokenChain([bad]).authenticateToken('t', [])).rejects.toThrow(/^expired$/);
  await expect(tokenChain([bad, bad]).authenticateToken('t', [])).rejects.toThrow('[expired, expired]');
});

test.each([
  [[], ['api', 'other']],
  [['other', 'third'], ['other']],
  [['third'], undefined],
])('a token without audiences, asked about %j, is good for %j', async (asked, good) => {
  const tokens = forAudiences(['api', 'other'], { authenticateToken: async () => alice });
  expect((await tokens.authenticateToken('t', asked))?.audiences).toEqual(good);
});
