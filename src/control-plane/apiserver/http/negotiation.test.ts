import { expect, test } from 'vitest';
import { isForPeople, negotiate } from './negotiation.ts';

const LIST = { list: true, table: true, protobuf: true };
const ask = (accept: string, offer = LIST) => {
  const { encoding, shape, version } = negotiate(accept, offer);
  return `${encoding} ${shape} ${version}`;
};

for (const [accept, expected] of [
  ['', 'json Object v1'],
  ['*/*', 'json Object v1'],
  ['application/json', 'json Object v1'],
  ['application/yaml', 'yaml Object v1'],
  ['application/vnd.kubernetes.protobuf', 'protobuf Object v1'],
  ['application/vnd.kubernetes.protobuf,application/json', 'json Object v1'],
  ['application/vnd.kubernetes.protobuf, */*', 'json Object v1'],
  ['application/json;as=Table;v=v1;g=meta.k8s.io,application/json', 'json Table v1'],
  ['application/json;as=Table;v=v1beta1;g=meta.k8s.io', 'json Table v1beta1'],
  ['application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io', 'json PartialObjectMetadata v1'],
  ['text/html, application/json;q=0.5, application/yaml;q=0.9', 'yaml Object v1'],
  ['application/json;q=0, application/yaml', 'yaml Object v1'],
  ['application/json;as=Table;v=v9;g=meta.k8s.io,application/json', 'json Object v1'],
] as const) {
  test(`Accept: ${accept}`, () => expect(ask(accept)).toBe(expected));
}

test('what cannot be had is refused with what can', () => {
  const review = { list: false, table: false, protobuf: true };
  expect(() => ask('application/json;as=Table;v=v1;g=meta.k8s.io', review)).toThrow(
    'only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf',
  );
  expect(() => ask('text/html')).toThrow('only the following media types are accepted');
  expect(() => ask('application/vnd.kubernetes.protobuf', { ...LIST, protobuf: false })).toThrow();
  expect(() => ask('application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io')).toThrow();
});

test('people get text that they can read, unless they say otherwise', () => {
  const asked = (query: string, agent: string) => isForPeople(new URLSearchParams(query), agent);
  expect(asked('', 'curl/8')).toBe(true);
  expect(asked('pretty=false', 'curl/8')).toBe(false);
  expect(asked('', 'kubectl/v1.36')).toBe(false);
  expect(asked('pretty', 'kubectl/v1.36')).toBe(true);
});
