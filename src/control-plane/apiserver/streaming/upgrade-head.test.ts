import type { IncomingMessage } from 'node:http';
import { expect, test } from 'vitest';
import type { Forward } from './forward.ts';
import { headOf } from './upgrade-head.ts';

const forward = { host: 'fd00::1', port: 10250, path: '/exec/ns/p/c?command=x' } as Forward;

test('the other side sees the request, less what was for the API server', () => {
  const token = Buffer.from('secret').toString('base64url');
  const rawHeaders = [
    ['Host', 'api:6443'],
    ['Authorization', 'Bearer secret'],
    ['Impersonate-User', 'root'],
    ['Connection', 'Upgrade'],
    ['Upgrade', 'websocket'],
    ['Sec-WebSocket-Protocol', `base64url.bearer.authorization.k8s.io.${token}, v5.channel.k8s.io`],
  ].flat();
  const head = headOf({ method: 'GET', rawHeaders } as unknown as IncomingMessage, forward);
  expect(head).toBe(
    [
      'GET /exec/ns/p/c?command=x HTTP/1.1',
      'Host: [fd00::1]:10250',
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Protocol: v5.channel.k8s.io',
      '',
      '',
    ].join('\r\n'),
  );
});

test('a token alone leaves no protocol behind', () => {
  const rawHeaders = ['Sec-WebSocket-Protocol', 'base64url.bearer.authorization.k8s.io.x'];
  expect(headOf({ method: 'GET', rawHeaders } as unknown as IncomingMessage, forward)).not.toContain('Protocol');
});
