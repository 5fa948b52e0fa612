import { describe, expect, test } from 'vitest';
import { ValidatingWebhookConfiguration } from '#api/admissionregistration/v1/validating-webhook-configuration.ts';
import { Deployment } from '#api/apps/v1/deployment.ts';
import { HorizontalPodAutoscaler as AutoscalerV1 } from '#api/autoscaling/v1/horizontal-pod-autoscaler.ts';
import { HorizontalPodAutoscaler } from '#api/autoscaling/v2/horizontal-pod-autoscaler.ts';
import { bodies, catalog } from '#api/catalog.ts';
import { Namespace } from '#api/core/v1/namespace.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import type { RuleWithOperations } from '#api/generated/schema.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { createKindRegistry } from '#api/machinery/kind-registry.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { fixedInformers } from '#testing/fixed-informers.ts';
import { type Authorizer, allow, isResourceRequest, noOpinion } from '../../authorization/authorizer.ts';
import type { AdmissionRequest } from '../define-admission.ts';
import { type MatchedRequest, ruleMatches } from '../request-matching.ts';
import { hooksOf, type WebhookConfiguration } from './hook-source.ts';
import { isExempt, matchedKind } from './matching.ts';

const kinds = createKindRegistry(catalog, bodies);
const rule = (more: Partial<RuleWithOperations> = {}): RuleWithOperations => ({
  operations: ['*'],
  apiGroups: ['*'],
  apiVersions: ['*'],
  resources: ['*'],
  scope: '*',
  ...more,
});
const of = (kind: Kind, more: Partial<MatchedRequest> = {}): MatchedRequest => ({
  verb: 'create',
  kind,
  namespace: kind.scope === 'Namespaced' ? 'a' : '',
  subresource: '',
  ...more,
});
const exec = of(Pod, { verb: 'connect', subresource: 'exec' });
const namespace = of(Namespace, { namespace: 'a' });

describe('a rule', () => {
  test.each<[string, Partial<RuleWithOperations>, MatchedRequest, boolean]>([
    ['everything', {}, of(Pod), true],
    ['its operation', { operations: ['CREATE'] }, of(Pod), true],
    ['another operation', { operations: ['UPDATE', 'DELETE'] }, of(Pod), false],
    ['its group', { apiGroups: ['apps'] }, of(Deployment), true],
    ['another group', { apiGroups: [''] }, of(Deployment), false],
    ['its version', { apiVersions: ['v1'] }, of(Pod), true],
    ['another version', { apiVersions: ['v1beta1'] }, of(Pod), false],
    ['its resource', { resources: ['pods'] }, of(Pod), true],
    ['another resource', { resources: ['nodes'] }, of(Pod), false],
    ['* for a subresource', { resources: ['*'] }, exec, false],
    ['the resource for its subresource', { resources: ['pods'] }, exec, false],
    ['the subresource', { resources: ['pods/exec'] }, exec, true],
    ['another subresource', { resources: ['pods/attach'] }, exec, false],
    ['the subresource for the resource', { resources: ['pods/exec'] }, of(Pod), false],
    ['all of a resource', { resources: ['pods/*'] }, exec, true],
    ['all of a resource for itself', { resources: ['pods/*'] }, of(Pod), true],
    ['a subresource of all', { resources: ['*/exec'] }, exec, true],
    ['all and everything', { resources: ['*/*'] }, exec, true],
    ['what is in namespaces', { scope: 'Namespaced' }, of(Pod), true],
    ['what is in namespaces for a Node', { scope: 'Namespaced' }, of(Node), false],
    ['what is of the cluster', { scope: 'Cluster' }, of(Node), true],
    ['what is of the cluster for a Pod', { scope: 'Cluster' }, of(Pod), false],
    ['what is of the cluster for a Namespace', { scope: 'Cluster' }, namespace, true],
    ['what is in namespaces for a Namespace', { scope: 'Namespaced' }, namespace, false],
    ['nothing', { resources: [] }, of(Pod), false],
  ])('of %s', (_, more, request, expected) => {
    expect(ruleMatches(rule(more), request)).toBe(expected);
  });
});

const labelled = (kind: string, name: string, labels: Record<string, string>, at: object = {}) =>
  ({ apiVersion: 'v1', kind, metadata: { name, labels, ...at } }) as unknown as KubeObject;
const informers = fixedInformers([labelled('Namespace', 'a', { team: 'red' })]);
/** Alice may create pods. */
const authorizer: Authorizer = {
  async authorize(asked) {
    const isPods = isResourceRequest(asked) && asked.resource === 'pods' && asked.verb === 'create';
    return isPods && asked.user.name === 'alice' ? allow() : noOpinion();
  },
};
const services = { informers, live: informers.live, kinds, authorizer };

const hookWith = (more: object) =>
  hooksOf([
    {
      metadata: { name: 'c' },
      webhooks: [{ name: 'h.example.com', rules: [rule()], namespaceSelector: {}, objectSelector: {}, ...more }],
    } as unknown as WebhookConfiguration,
  ])[0]!;
const request = (kind: Kind, more: Partial<AdmissionRequest> = {}): AdmissionRequest => ({
  ...of(kind),
  name: 'x',
  user: { name: 'alice', groups: [] },
  dryRun: false,
  object: labelled(kind.kind, 'x', {}),
  old: undefined,
  ...more,
});
const red = { namespaceSelector: { matchLabels: { team: 'red' } } };
const blue = { namespaceSelector: { matchLabels: { team: 'blue' } } };
const guarded = { objectSelector: { matchLabels: { guarded: 'yes' } } };
const withLabel = labelled('Pod', 'x', { guarded: 'yes' });

describe('a webhook', () => {
  test.each<[string, object, AdmissionRequest, boolean]>([
    ['whose namespaces these are', red, request(Pod), true],
    ['of other namespaces', blue, request(Pod), false],
    ['of other namespaces, for what is in none', blue, request(Node), true],
    [
      'of the namespace as it is to be',
      blue,
      request(Namespace, { namespace: 'a', verb: 'update', object: labelled('Namespace', 'a', { team: 'blue' }) }),
      true,
    ],
    [
      'of the namespace as it was, for its deletion',
      blue,
      request(Namespace, { namespace: 'a', verb: 'delete', object: undefined }),
      false,
    ],
    ['for labelled objects', guarded, request(Pod, { object: withLabel }), true],
    ['for labelled objects, of another', guarded, request(Pod), false],
    ['for labelled objects, of one that was', guarded, request(Pod, { verb: 'update', old: withLabel }), true],
    [
      'whose conditions hold',
      conditions('object.metadata.name == "x"', 'request.userInfo.username == "alice"'),
      request(Pod),
      true,
    ],
    ['one of whose conditions does not', conditions('object.nope', 'oldObject != null'), request(Pod), false],
    [
      'that may be passed over, whose conditions fail',
      { ...conditions('object.nope'), failurePolicy: 'Ignore' },
      request(Pod),
      false,
    ],
    [
      'that asks whether the user may',
      conditions('authorizer.requestResource.check("create").allowed()'),
      request(Pod),
      true,
    ],
    [
      'that asks whether the user may something else',
      conditions('authorizer.group("apps").resource("deployments").check("get").allowed()'),
      request(Pod),
      false,
    ],
  ])('%s', async (_, more, asked, expected) => {
    expect((await matchedKind(hookWith(more), asked, services)) !== undefined).toBe(expected);
  });

  test('that must be heard refuses when its conditions fail', async () => {
    const failing = conditions('object.nope == 1', 'object.metadata.none == 2');
    await expect(matchedKind(hookWith(failing), request(Pod), services)).rejects.toMatchObject({
      code: 403,
      message: `pods "x" is forbidden: [expression 'object.nope == 1' resulted in error: no such key: nope, expression 'object.metadata.none == 2' resulted in error: no such key: none]`,
    });
  });

  test('whose conditions cost too much is not asked', async () => {
    const list = Array.from({ length: 300 }, (_, i) => i);
    const object = { ...labelled('Pod', 'x', {}), list };
    const expensive = Array.from({ length: 9 }, () => 'object.list.all(a, object.list.all(b, a + b >= 0))');
    await expect(matchedKind(hookWith(conditions(...expensive)), request(Pod, { object }), services)).rejects.toThrow(
      'pods "x" is forbidden: validation failed due to running out of cost budget, no further validation rules will be run',
    );
  });

  test('is not asked about a namespace that is not there', async () => {
    const elsewhere = request(Pod, { namespace: 'gone' });
    await expect(matchedKind(hookWith(red), elsewhere, services)).rejects.toMatchObject({ code: 404 });
  });

  test('of one version of a kind is shown the others as that one, unless it wants it exactly', async () => {
    const rules = [rule({ apiGroups: ['autoscaling'], apiVersions: ['v1'], resources: ['horizontalpodautoscalers'] })];
    const asked = request(HorizontalPodAutoscaler);
    expect(await matchedKind(hookWith({ rules, matchPolicy: 'Equivalent' }), asked, services)).toBe(AutoscalerV1);
    expect(await matchedKind(hookWith({ rules, matchPolicy: 'Exact' }), asked, services)).toBeUndefined();
  });

  test('never sees what configures admission', () => {
    expect(isExempt(ValidatingWebhookConfiguration)).toBe(true);
    expect(isExempt(Pod)).toBe(false);
  });
});

function conditions(...expressions: string[]) {
  return { matchConditions: expressions.map((expression, i) => ({ name: `c${i}`, expression })) };
}

test('webhooks run by the names of their configurations, inside one as listed', () => {
  const configuration = (name: string, ...names: string[]) =>
    ({ metadata: { name }, webhooks: names.map((one) => ({ name: one })) }) as unknown as WebhookConfiguration;
  const hooks = hooksOf([configuration('b', 'z', 'y'), configuration('a', 'x')]);
  expect(hooks.map(({ webhook }) => webhook.name)).toEqual(['x', 'z', 'y']);
});
