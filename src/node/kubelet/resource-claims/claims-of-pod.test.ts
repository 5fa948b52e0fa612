import { expect, test } from 'vitest';
import type { Pod } from '#api/generated/schema.ts';
import { claimsOf, refusalOfClaim, requestsOf } from './claims-of-pod.ts';

const podWith = (resourceClaims: object[], status: object = {}, resources: object = {}): Pod =>
  ({
    metadata: { name: 'web', namespace: 'default', uid: 'u' },
    spec: { resourceClaims, containers: [{ name: 'main', resources }] },
    status,
  }) as unknown as Pod;
const templated = { name: 'it', resourceClaimTemplateName: 'template' };

for (const { title, pod, names } of [
  { title: 'by its name', pod: podWith([{ name: 'it', resourceClaimName: 'shared' }]), names: ['shared'] },
  {
    title: 'as it was made from a template',
    pod: podWith([templated], { resourceClaimStatuses: [{ name: 'it', resourceClaimName: 'web-it-1' }] }),
    names: ['web-it-1 of its own'],
  },
  {
    title: 'not at all, where none was needed',
    pod: podWith([templated], { resourceClaimStatuses: [{ name: 'it' }] }),
    names: [],
  },
  {
    title: 'as the scheduler made it for extended resources',
    pod: podWith([], { extendedResourceClaimStatus: { resourceClaimName: 'extended', requestMappings: [] } }),
    names: ['extended'],
  },
])
  test(`a claim of a pod is found ${title}`, () => {
    expect(claimsOf(pod).map(({ name, isOwn }) => (isOwn ? `${name} of its own` : name))).toEqual(names);
  });

test('a claim that is not made yet, or not named, is told in upstream’s words', () => {
  expect(() => claimsOf(podWith([templated]))).toThrow('pod "default/web": ResourceClaim not created yet');
  expect(() => claimsOf(podWith([{ name: 'it' }]))).toThrow(
    'pod "default/web", spec.resourceClaim "it": none of the supported fields are set',
  );
});

test('a container uses the requests that it names, all of a claim where it names none, and its extended resources', () => {
  const mapping = (containerName: string, resourceName: string, requestName: string) => ({
    containerName,
    resourceName,
    requestName,
  });
  const requestMappings = [
    mapping('main', 'example.com/gpu', 'r-0'),
    mapping('main', 'example.com/none', 'r-1'),
    mapping('other', 'example.com/gpu', 'r-2'),
  ];
  const pod = podWith(
    [
      { name: 'one', resourceClaimName: 'first' },
      { name: 'all', resourceClaimName: 'second' },
      { name: 'unused', resourceClaimName: 'third' },
    ],
    { extendedResourceClaimStatus: { resourceClaimName: 'extended', requestMappings } },
    { claims: [{ name: 'one', request: 'gpu' }, { name: 'all' }], requests: { 'example.com/gpu': '1' } },
  );
  expect(pod.spec.containers.map((container) => requestsOf(pod, container))).toEqual([
    [
      { claimName: 'first', request: 'gpu' },
      { claimName: 'second', request: '' },
      { claimName: 'extended', request: 'r-0' },
    ],
  ]);
});

const metadata = { name: 'claim', uid: 'c' };
const reservedFor = [{ resource: 'pods', name: 'web', uid: 'u' }];
const owned = { ...metadata, ownerReferences: [{ controller: true, uid: 'u' }] };
for (const { claim, isOwn, refusal } of [
  { claim: { metadata, status: { reservedFor, allocation: {} } }, isOwn: false, refusal: undefined },
  { claim: { metadata: owned, status: { reservedFor, allocation: {} } }, isOwn: true, refusal: undefined },
  {
    claim: { metadata, status: { reservedFor, allocation: {} } },
    isOwn: true,
    refusal: 'ResourceClaim default/claim was not created for Pod default/web (Pod is not owner)',
  },
  {
    claim: { metadata, status: { allocation: {} } },
    isOwn: false,
    refusal: 'pod web (u) is not allowed to use ResourceClaim claim (c)',
  },
  { claim: { metadata, status: { reservedFor } }, isOwn: false, refusal: 'ResourceClaim claim: not allocated' },
])
  test(`a claim ${isOwn ? 'of a template ' : ''}${refusal ? `is refused: ${refusal}` : 'that is given to the pod may be used'}`, () => {
    expect(refusalOfClaim(podWith([]), claim as never, isOwn)).toBe(refusal);
  });
