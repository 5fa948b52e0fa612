import { expect, test } from 'vitest';
import { resolverFrom, upstreamsFor, upstreamsFrom } from './upstreams.ts';

for (const [text, expected] of [
  ['192.0.2.1', { host: '192.0.2.1', port: 53 }],
  ['192.0.2.1:5353', { host: '192.0.2.1', port: 5353 }],
  ['2001:db8::1', { host: '2001:db8::1', port: 53 }],
  ['[2001:db8::1]:5353', { host: '2001:db8::1', port: 5353 }],
  ['ns.example.com', undefined],
  ['192.0.2.1:0', undefined],
] as const) {
  test(`${text} is ${JSON.stringify(expected)}`, () => expect(resolverFrom(text)).toEqual(expected));
}

const node = [{ host: '192.0.2.9', port: 53 }];
const hostsFor = (data: Record<string, string> | undefined, name: string) =>
  upstreamsFor(upstreamsFrom(data, node).upstreams, name).map(({ host }) => host);

test('a name in a stub domain goes to its resolvers, the longest domain first, and others to the common ones', () => {
  const stubDomains = JSON.stringify({ 'Acme.local.': ['192.0.2.1'], 'eu.acme.local': ['192.0.2.2', '192.0.2.3'] });
  expect(hostsFor({ stubDomains }, 'www.acme.local')).toEqual(['192.0.2.1']);
  expect(hostsFor({ stubDomains }, 'acme.local')).toEqual(['192.0.2.1']);
  expect(hostsFor({ stubDomains }, 'www.eu.acme.local')).toEqual(['192.0.2.2', '192.0.2.3']);
  expect(hostsFor({ stubDomains }, 'notacme.local')).toEqual(['192.0.2.9']);
  expect(hostsFor({ stubDomains, upstreamNameservers: '["192.0.2.4"]' }, 'example.com')).toEqual(['192.0.2.4']);
  expect(hostsFor(undefined, 'example.com')).toEqual(['192.0.2.9']);
});

test('what is not in its form is named, and the rest holds', () => {
  const { upstreams, complaints } = upstreamsFrom(
    { stubDomains: '{"a.example": ["192.0.2.1", "nowhere"]}', upstreamNameservers: '[' },
    node,
  );
  expect(upstreams.stubs.get('a.example')).toEqual([{ host: '192.0.2.1', port: 53 }]);
  expect(upstreams.resolvers).toEqual(node);
  expect(complaints).toHaveLength(2);
});
