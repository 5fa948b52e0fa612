import { expect, test } from 'vitest';
import { discoveryForm } from './discovery-form.ts';

const V2 = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
const BETA = 'application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList';

test.each([
  ['', 'application/json'],
  ['*/*', 'application/json'],
  ['application/yaml', 'application/yaml'],
  ['application/vnd.kubernetes.protobuf', 'application/vnd.kubernetes.protobuf'],
  [`${V2},${BETA},application/json`, V2],
  [`${BETA},application/json`, 'application/json'],
  [`${V2};profile=nopeer,application/json`, V2],
  [V2.replace('json', 'yaml'), V2.replace('json', 'yaml')],
  [`application/json,${V2}`, 'application/json'],
  ['text/html, application/xhtml+xml, */*;q=0.8', 'application/json'],
])('who accepts %j gets %s', (accept, mediaType) => {
  expect(discoveryForm(accept, true).mediaType).toBe(mediaType);
});

test('one group alone is not aggregated', () => {
  expect(discoveryForm(`${V2},application/json`, false)).toMatchObject({ isAggregated: false });
});

test.each(['text/html', BETA])('who accepts only %s is refused', (accept) => {
  expect(() => discoveryForm(accept, true)).toThrow(
    'only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf',
  );
});
