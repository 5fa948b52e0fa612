import { expect, test } from 'vitest';
import type { Exchange } from '../http/exchange.ts';
import { requestHeaders } from './forwarder.ts';

test('what is proxied carries nothing that tells who asked, or that is of one hop only', () => {
  const headers = {
    accept: 'text/html',
    authorization: 'Bearer secret',
    'impersonate-user': 'root',
    'sec-websocket-protocol': 'v4.channel.k8s.io, base64url.bearer.authorization.k8s.io.c2VjcmV0',
    connection: 'keep-alive',
    ':authority': 'api',
    host: 'api',
  };
  const exchange = { request: { headers, socket: { remoteAddress: '192.0.2.1' } } } as unknown as Exchange;
  const target = { host: '10.0.0.1', port: 80, security: 'plain', path: '/', mode: 'proxy', prefix: '/p' } as const;
  expect(requestHeaders(exchange, target)).toEqual({
    accept: 'text/html',
    'x-forwarded-for': '192.0.2.1',
    'x-forwarded-uri': '/p/',
    host: '10.0.0.1:80',
  });
});
