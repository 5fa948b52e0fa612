import { expect, test } from 'vitest';
import { frontProxyHeaders, isFrontProxyHeader } from './front-proxy-headers.ts';

test('who asks goes along in headers, one for each group and each value of an extra', () => {
  const user = {
    name: 'jane',
    uid: '7',
    groups: ['dev', 'system:authenticated'],
    extra: { scopes: ['a', 'b'], 'example.com/Team %': ['x'] },
  };
  expect(frontProxyHeaders(user)).toEqual([
    ['X-Remote-User', 'jane'],
    ['X-Remote-Uid', '7'],
    ['X-Remote-Group', 'dev'],
    ['X-Remote-Group', 'system:authenticated'],
    ['X-Remote-Extra-scopes', 'a'],
    ['X-Remote-Extra-scopes', 'b'],
    ['X-Remote-Extra-example.com%2FTeam%20%25', 'x'],
  ]);
});

test('a name cannot add headers of its own', () => {
  const [[, value]] = frontProxyHeaders({ name: 'eve\r\nX-Remote-Group: system:masters', groups: [] }) as [
    [string, string],
  ];
  expect(value).toBe('eve  X-Remote-Group: system:masters');
});

test('what is beyond Latin stands as bytes of UTF-8', () => {
  expect(frontProxyHeaders({ name: 'Zoë', groups: [] })).toEqual([
    ['X-Remote-User', Buffer.from('Zoë').toString('latin1')],
  ]);
});

test.each([
  ['x-remote-user', true],
  ['x-remote-extra-scopes', true],
  ['x-remote-uid', true],
  ['x-request-id', false],
])('%s is a header of the front proxy: %s', (name, expected) => {
  expect(isFrontProxyHeader(name)).toBe(expected);
});
