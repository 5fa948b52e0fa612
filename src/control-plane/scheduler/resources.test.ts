import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Pod } from '#api/core/v1/pod.ts';
import { assumedRequestsOf, requestsOf, signatureOf } from './resources.ts';

const amounts = fc.constantFrom({}, { cpu: '100m' }, { cpu: '100m', memory: '1Gi' }, { 'example.com/gpu': '1' });
const resources = fc.option(fc.record({ requests: amounts }), { nil: undefined });
const containers = fc.array(fc.record({ resources }), { minLength: 1, maxLength: 2 });
const initContainers = fc.array(fc.record({ resources, restartPolicy: fc.constantFrom(undefined, 'Always') }), {
  maxLength: 2,
});
const overhead = fc.constantFrom(undefined, { cpu: '10m' });
const specs = fc.record({ containers, initContainers, overhead, resources });
const part = fc.constantFrom('containers', 'initContainers', 'overhead', 'resources');

const podOf = (spec: object): Pod => ({ metadata: {}, spec }) as unknown as Pod;
const counted = (spec: object) => {
  const pod = podOf(spec);
  return [signatureOf(requestsOf(pod)), signatureOf(assumedRequestsOf(pod))];
};
/** Unlike any other: nothing of it is taken over. */
const STRANGER = { containers: [{ resources: { requests: { cpu: '12345' } } }] };
const countedAfter = (before: object, spec: object) => {
  counted(STRANGER);
  counted(before);
  return counted(spec);
};

test('what a pod asks for does not depend on the pod that was counted before it', () => {
  fc.assert(
    fc.property(specs, specs, part, (spec, other, differing) => {
      const before = { ...spec, [differing]: other[differing] };
      expect(countedAfter(before, spec)).toEqual(countedAfter(STRANGER, spec));
    }),
    { numRuns: 1_000 },
  );
});
