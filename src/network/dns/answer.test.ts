import { expect, test } from 'vitest';
import type { EndpointSlice, Service } from '#api/generated/schema.ts';
import { answerFrom } from './answer.ts';
import { recordsFor, reverseName } from './records.ts';
import { Zone } from './zone.ts';

const DOMAIN = 'cluster.local';
const service = (name: string, spec: Record<string, unknown>) =>
  ({ metadata: { name, namespace: 'default' }, spec }) as unknown as Service;
const slice = (endpoints: unknown[], ports: unknown[] = []) =>
  ({
    addressType: 'IPv4',
    metadata: { namespace: 'default', labels: {} },
    endpoints,
    ports,
  }) as unknown as EndpointSlice;
const zoneOf = (of: Service, slices: EndpointSlice[] = []) => {
  const zone = new Zone(DOMAIN);
  zone.replace(`default/${of.metadata.name}`, recordsFor(of, slices, DOMAIN));
  return zone;
};
const ask = (zone: Zone, name: string, type = 'A') => {
  const answer = answerFrom(zone, { name, type });
  return answer && { code: answer.code, data: answer.answers.map(({ data }) => data) };
};

const web = zoneOf(service('web', { clusterIP: '10.96.0.20', ports: [{ name: 'http', protocol: 'TCP', port: 80 }] }));

for (const { name, type, expected } of [
  { name: 'web.default.svc.cluster.local', type: 'A', expected: { code: 'NOERROR', data: ['10.96.0.20'] } },
  { name: 'WEB.default.svc.Cluster.Local', type: 'A', expected: { code: 'NOERROR', data: ['10.96.0.20'] } },
  { name: 'web.default.svc.cluster.local', type: 'AAAA', expected: { code: 'NOERROR', data: [] } },
  { name: 'default.svc.cluster.local', type: 'A', expected: { code: 'NOERROR', data: [] } },
  { name: 'nope.default.svc.cluster.local', type: 'A', expected: { code: 'NXDOMAIN', data: [] } },
  {
    name: '20.0.96.10.in-addr.arpa',
    type: 'PTR',
    expected: { code: 'NOERROR', data: ['web.default.svc.cluster.local'] },
  },
  { name: '10-244-1-2.default.pod.cluster.local', type: 'A', expected: { code: 'NOERROR', data: ['10.244.1.2'] } },
  {
    name: 'fd00-244-1--2.default.pod.cluster.local',
    type: 'AAAA',
    expected: { code: 'NOERROR', data: ['fd00:244:1::2'] },
  },
  { name: 'fd00-244-1--2.default.pod.cluster.local', type: 'A', expected: { code: 'NOERROR', data: [] } },
  { name: 'nginx-1.default.pod.cluster.local', type: 'A', expected: { code: 'NXDOMAIN', data: [] } },
  { name: '10-244-1-999.default.pod.cluster.local', type: 'A', expected: { code: 'NXDOMAIN', data: [] } },
  { name: 'dns-version.cluster.local', type: 'TXT', expected: { code: 'NOERROR', data: ['1.1.0'] } },
]) {
  test(`${type} ${name} is ${expected.code} ${expected.data}`, () => expect(ask(web, name, type)).toEqual(expected));
}

test('a name outside the cluster is not answered here', () => {
  expect(ask(web, 'example.com')).toBeUndefined();
  expect(ask(web, '1.0.0.10.in-addr.arpa', 'PTR')).toBeUndefined();
});

test('ExternalNames that lead round in a circle lead nowhere, and end', () => {
  const zone = zoneOf(service('self', { type: 'ExternalName', externalName: 'self.default.svc.cluster.local' }));
  for (const [name, to] of [
    ['here', 'there'],
    ['there', 'here'],
  ] as const) {
    const alias = service(name, { type: 'ExternalName', externalName: `${to}.default.svc.cluster.local` });
    zone.replace(`default/${name}`, recordsFor(alias, [], DOMAIN));
  }
  for (const name of ['self', 'here']) {
    const answer = answerFrom(zone, { name: `${name}.default.svc.cluster.local`, type: 'A' });
    expect(new Set(answer?.answers.map(({ type }) => type))).toEqual(new Set(['CNAME']));
  }
});

test('a named port has an SRV record whose target comes with its address', () => {
  const answer = answerFrom(web, { name: '_http._tcp.web.default.svc.cluster.local', type: 'SRV' });
  expect(answer?.answers[0]?.data).toMatchObject({ port: 80, target: 'web.default.svc.cluster.local' });
  expect(answer?.additionals[0]?.data).toBe('10.96.0.20');
});

test('a headless Service answers with its ready endpoints, each by its hostname too', () => {
  const headless = service('db', { clusterIP: 'None', ports: [{ port: 3306 }] });
  const zone = zoneOf(headless, [
    slice([
      { addresses: ['10.244.1.5'], hostname: 'db-0', conditions: { ready: true } },
      { addresses: ['10.244.1.6'], hostname: 'db-1', conditions: { ready: false } },
    ]),
  ]);
  expect(ask(zone, 'db.default.svc.cluster.local')).toEqual({ code: 'NOERROR', data: ['10.244.1.5'] });
  expect(ask(zone, 'db-0.db.default.svc.cluster.local')).toEqual({ code: 'NOERROR', data: ['10.244.1.5'] });
  expect(ask(zone, 'db-1.db.default.svc.cluster.local')?.code).toBe('NXDOMAIN');
});

test('publishNotReadyAddresses names endpoints before they are ready', () => {
  const headless = service('db', { clusterIP: 'None', publishNotReadyAddresses: true });
  const zone = zoneOf(headless, [slice([{ addresses: ['10.244.1.6'], conditions: { ready: false } }])]);
  expect(ask(zone, 'db.default.svc.cluster.local')?.data).toEqual(['10.244.1.6']);
});

test('an ExternalName is an alias to be followed', () => {
  const zone = zoneOf(service('out', { type: 'ExternalName', externalName: 'example.com.' }));
  expect(answerFrom(zone, { name: 'out.default.svc.cluster.local', type: 'A' })).toMatchObject({
    follow: 'example.com',
  });
});

test('a Service that goes leaves no name behind', () => {
  const zone = zoneOf(service('web', { clusterIP: '10.96.0.20' }));
  zone.replace('default/web', []);
  expect(ask(zone, 'web.default.svc.cluster.local')?.code).toBe('NXDOMAIN');
  expect(zone.has('svc')).toBe(false);
});

test('the reverse name of an IPv6 address is spelled by nibbles', () => {
  expect(reverseName('fd00::1:2')).toBe('2.0.0.0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa');
});

test('the name of an address is looked up in lower case, however a Service writes the address', () => {
  expect(reverseName('FD00:AB::2')).toBe(reverseName('fd00:ab::2'));
});
