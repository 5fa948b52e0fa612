import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CustomResourceDefinition } from '#api/apiextensions/v1/custom-resource-definition.ts';
import { ReplicaSet } from '#api/apps/v1/replica-set.ts';
import { TokenReview } from '#api/authentication/v1/token-review.ts';
import { HorizontalPodAutoscaler } from '#api/autoscaling/v1/horizontal-pod-autoscaler.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { isShared } from '#api/machinery/shared-parts.ts';
import { deepFreeze } from '#base/deep-freeze.ts';
import { replicaSetController } from '#control-plane/controllers/replica-set.ts';
import { startCluster } from '#testing/cluster.ts';
import { decodeObject } from './decode-object.ts';
import { JSON_MEDIA_TYPE } from './request-body.ts';
import { withDecodedSpec, withSpecAsAdmittedBefore } from './template-specs.ts';
import type { FieldValidation } from './verbs/write-options.ts';

const containers = () => [{ name: 'main', image: 'example/main:1', resources: { limits: { cpu: '1000m' } } }];
const templateSpec = (more: object = {}) => deepFreeze({ containers: containers(), ...more });

/** With `from`, nothing that was found out of another body counts. */
function created(spec: object, { name = 'web', ...from }: { name?: string; from?: object } = {}) {
  const warnings: string[] = [];
  const object = { apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec };
  const warn = (text: string) => void warnings.push(text);
  const options = { fieldValidation: 'Warn' as const, warn, ...from };
  return { pod: decodeObject(Pod, { object, contentType: JSON_MEDIA_TYPE }, options), warnings };
}

describe('what several pods are made of', () => {
  test('is read once, and all of them have it', () => {
    const spec = templateSpec();
    const [one, other] = [created(spec).pod, created(spec, { name: 'other' }).pod];
    expect(other.spec).toBe(one.spec);
    expect(other.metadata.name).toBe('other');
    expect(one.spec).toEqual(created(structuredClone(spec)).pod.spec);
    expect(one.spec.containers[0]?.resources).toEqual({ limits: { cpu: '1' }, requests: { cpu: '1' } });
  });

  test('is read again where somebody could still change it', () => {
    const inside = containers();
    const spec = Object.freeze({ containers: inside });
    created(spec);
    inside[0]!.image = 'example/main:2';
    expect(created(spec).pod.spec.containers[0]?.image).toBe('example/main:2');
  });

  test('is warned of each time, and what does not fit is refused each time', () => {
    const unknown = templateSpec({ colour: 'red' });
    for (let time = 0; time < 2; time++) expect(created(unknown).warnings).toEqual(['unknown field "spec.colour"']);
    const misfit = templateSpec({ nodeName: 7 });
    for (let time = 0; time < 2; time++)
      expect(() => created(misfit)).toThrow('cannot unmarshal number into Go struct field PodSpec.spec.nodeName');
  });

  test('is read anew as part of another kind', () => {
    const spec = templateSpec({ resources: {} });
    created(spec);
    const object = { metadata: { name: 'data' }, spec };
    const options = { fieldValidation: 'Ignore' as const, warn: () => undefined };
    const claim = decodeObject(PersistentVolumeClaim, { object, contentType: JSON_MEDIA_TYPE }, options);
    expect(claim.spec).toEqual({ resources: {}, volumeMode: 'Filesystem' });
  });

  test('is read each time where its defaults go by the metadata as well', () => {
    const spec = deepFreeze({ scaleTargetRef: { kind: 'Deployment', name: 'web' }, maxReplicas: 3 });
    const options = { fieldValidation: 'Ignore' as const, warn: () => undefined };
    const targetOf = (annotations: Record<string, string>) => {
      const object = { metadata: { name: 'web', annotations }, spec };
      const autoscaler = decodeObject(HorizontalPodAutoscaler, { object, contentType: JSON_MEDIA_TYPE }, options);
      return autoscaler.spec.targetCPUUtilizationPercentage;
    };
    expect(targetOf({})).toBe(80);
    expect(targetOf({ 'autoscaling.alpha.kubernetes.io/metrics': '[]' })).toBeUndefined();
  });
});

describe('what is sent again', () => {
  const textOf = (pod: Pod) => JSON.stringify(pod);
  const sent = (spec: object, fieldValidation: FieldValidation = 'Strict') => {
    const bytes = new TextEncoder().encode(JSON.stringify({ metadata: { name: 'web' }, spec }));
    return decodeObject(Pod, { bytes, contentType: JSON_MEDIA_TYPE }, { fieldValidation, warn: () => undefined });
  };

  test('is shared from the second time on', () => {
    const spec = { containers: containers(), nodeName: 'sent-again' };
    const first = sent(spec);
    expect(isShared(first.spec)).toBe(false);
    const second = sent(spec);
    expect(second.spec).toBe(first.spec);
    expect(isShared(second.spec)).toBe(true);
    expect(created(structuredClone(spec)).pod.spec).toBe(first.spec); // by whomever
  });

  test('is what it was then, whatever who handed it in makes of it afterwards', () => {
    const spec = { containers: containers(), nodeName: 'changed-later' };
    created(spec);
    spec.containers[0]!.image = 'example/main:2';
    expect(created(spec).pod.spec.containers[0]?.image).toBe('example/main:2');
    spec.containers[0]!.image = 'example/main:3';
    expect(created(spec).pod.spec.containers[0]?.image).toBe('example/main:3');
  });

  test('is told of what is unknown in it, also when that was not asked for the first time', () => {
    const spec = { containers: containers(), nodeName: 'unknown-in-it', colour: 'red' };
    expect(sent(spec, 'Ignore').spec).not.toHaveProperty('colour');
    expect(() => sent(spec)).toThrow('unknown field "spec.colour"');
    expect(created(spec).warnings).toEqual(['unknown field "spec.colour"']);
  });

  test('is not kept where it is large', () => {
    const named = (name: string) => ({ containers: [{ name, image: 'example/main:1' }] });
    sent(named('small'));
    sent(named('l'.repeat(40_000)));
    expect(isShared(sent(named('small')).spec)).toBe(true);
  });

  test('is taken however deep that is which nobody reads', () => {
    const deep = '['.repeat(20_000) + ']'.repeat(20_000);
    const schema = `{"type":"array","items":{"type":"string","unknown":${deep}}}`;
    const text = `{"metadata":{"name":"a.b"},"spec":{"versions":[{"name":"v1","schema":{"openAPIV3Schema":${schema}}}]}}`;
    const body = { bytes: new TextEncoder().encode(text), contentType: JSON_MEDIA_TYPE };
    const options = { fieldValidation: 'Ignore' as const, warn: () => undefined };
    const { spec } = decodeObject(CustomResourceDefinition, body, options);
    expect(spec.versions[0]?.schema?.openAPIV3Schema).toEqual({ type: 'array', items: { type: 'string' } });
  });

  test('is not kept where it is a question', () => {
    const object = { spec: { token: 'secret' } };
    decodeObject(
      TokenReview,
      { object, contentType: JSON_MEDIA_TYPE },
      { fieldValidation: 'Ignore', warn: () => undefined },
    );
    expect(withDecodedSpec(TokenReview, object)).toBeUndefined();
  });

  test('is read as if it were alone', () => {
    const amounts = fc.constantFrom({ cpu: '1', memory: '1Gi' }, { memory: '1Gi', cpu: '1' }, { cpu: '1000m' });
    const container = fc.record(
      { name: fc.constantFrom('a', 'b'), image: fc.constantFrom('x', null), resources: fc.record({ limits: amounts }) },
      { requiredKeys: ['name'] },
    );
    const spec = fc.record(
      {
        containers: fc.array(container, { maxLength: 2 }),
        nodeSelector: fc.constantFrom({ a: '1', b: '2' }, { b: '2', a: '1' }, {}, { ['__proto__']: '1' }),
        hostNetwork: fc.constantFrom(true, false, null),
        colour: fc.constant('red'),
      },
      { requiredKeys: ['containers'] },
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(spec, fc.integer({ min: 1, max: 3 })), { maxLength: 6 }), (specs) => {
        for (const [one, times] of specs)
          for (let time = 0; time < times; time++) {
            const { pod, warnings } = created(one);
            const alone = created(one, { from: {} });
            expect([textOf(pod), warnings]).toEqual([textOf(alone.pod), alone.warnings]);
          }
      }),
    );
  });
});

describe('what admission makes of it', () => {
  const asked = created(templateSpec()).pod;
  const admittedWith = (priority: number) => ({ ...asked, spec: { ...asked.spec, priority } });

  test('is shared from the second time on when it is the same, and never when it is not', () => {
    const [first, second] = [1, 1].map((priority) => withSpecAsAdmittedBefore(admittedWith(priority), asked));
    expect(second?.spec).toBe(first?.spec);
    expect(isShared(second?.spec)).toBe(true);
    const other = withSpecAsAdmittedBefore(admittedWith(2), asked);
    expect(other.spec).toEqual({ ...asked.spec, priority: 2 });
    expect(isShared(other.spec)).toBe(false);
  });

  test('of what only one pod has is left alone', () => {
    const single = { ...asked, spec: { ...asked.spec } };
    const admitted = { ...single, spec: { ...single.spec, priority: 1 } };
    expect(withSpecAsAdmittedBefore(admitted, single)).toBe(admitted);
  });
});

test('pods of one template share their specification and the account of its fields, until the template changes', async () => {
  await using cluster = await startCluster({ controllers: [replicaSetController] });
  const labels = { app: 'web' };
  const template = (image: string) => ({ metadata: { labels }, spec: { containers: [{ name: 'main', image }] } });
  await cluster.create(ReplicaSet, {
    metadata: { name: 'web', namespace: 'default' },
    spec: { replicas: 3, selector: { matchLabels: labels }, template: template('example/main:1') },
  });
  await cluster.settles();
  const { items: first } = await cluster.client.list(Pod, { namespace: 'default' }); // as the server has them
  expect(first).toHaveLength(3);
  expect(new Set(first.map(({ spec }) => spec.containers)).size).toBe(1);
  const setOf = ({ metadata }: Pod) => (metadata.managedFields![0]!.fieldsV1 as Record<string, object>)['f:spec'];
  expect(new Set(first.map(setOf)).size).toBe(1);
  const names = new Set(first.map(({ metadata }) => metadata.name));
  await cluster.patch(ReplicaSet, 'default/web', { spec: { replicas: 4, template: template('example/main:2') } });
  await cluster.settles();
  const added = (await cluster.list(Pod)).filter(({ metadata }) => !names.has(metadata.name));
  expect(added.map(({ spec }) => spec.containers[0]?.image)).toEqual(['example/main:2']);
});
