import { expect, test } from 'vitest';
import { changedHeaders, changedPath } from './route-filters.ts';

test.each([
  ['/foo/bar', '/foo', '/xyz', '/xyz/bar'],
  ['/foo/bar', '/foo', '/xyz/', '/xyz/bar'],
  ['/foo/bar', '/foo/', '/xyz', '/xyz/bar'],
  ['/foo', '/foo', '/xyz', '/xyz'],
  ['/foo/', '/foo', '/xyz', '/xyz/'],
  ['/foo/bar', '/foo', '', '/bar'],
  ['/foo/', '/foo', '', '/'],
  ['/foo', '/foo', '', '/'],
  ['/foo/', '/foo', '/', '/'],
  ['/foo', '/foo', '/', '/'],
  ['/foo', '/', '/xyz', '/xyz/foo'],
  ['/foo/a b?c#d%é', '/foo', '/xyz', '/xyz/a%20b%3Fc%23d%25%C3%A9'],
])('%s with %s replaced by "%s" is %s', (path, prefix, replacement, wanted) =>
  expect(changedPath(path, prefix, { prefix: replacement })).toBe(wanted),
);

test('headers are set, added and removed whatever the case of their letters, and the list that was given stays', () => {
  const given = ['Host', 'a', 'X-One', '1', 'x-one', '2', 'Set-Cookie', 'c'];
  const changed = changedHeaders(given, {
    remove: ['host'],
    set: [['x-two', '2']],
    add: [
      ['x-one', '3'],
      ['set-cookie', 'd'],
    ],
  });
  expect(changed).toEqual(['Set-Cookie', 'c', 'x-two', '2', 'x-one', '1,2,3', 'set-cookie', 'd']);
  expect(given).toHaveLength(8);
});
