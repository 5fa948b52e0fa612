import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { seededRandom } from '#base/random.ts';
import { withoutNetwork } from '#testing/admission-fixture.ts';
import { fixedInformers } from '#testing/fixed-informers.ts';
import { noOpinion } from '../../authorization/authorizer.ts';
import type { AdmissionRequest, AdmissionServices } from '../define-admission.ts';
import { noteMutation, notePatch } from './audit-annotations.ts';
import { type Call, callWebhook } from './call-webhook.ts';
import { hooksOf, type WebhookConfiguration } from './hook-source.ts';
import { WebhookCalls } from './webhook-calls.ts';
import { type Answer, type Post, WebhookClient } from './webhook-client.ts';
import { registerWebhookMetrics } from './webhook-metrics.ts';

class FixedClient extends WebhookClient {
  readonly posts: Post[] = [];
  readonly #answer: (post: Post) => Answer;

  constructor(answer: (post: Post) => Answer) {
    super();
    this.#answer = answer;
  }

  override async post(post: Post): Promise<Answer> {
    this.posts.push(post);
    return this.#answer(post);
  }
}

const informers = fixedInformers();
const services: AdmissionServices = {
  informers,
  live: informers.live,
  authorizer: { authorize: () => noOpinion() },
  clock: new ManualClock(),
  random: seededRandom(1),
  ...withoutNetwork,
};
const call = (webhook: object, request: Partial<AdmissionRequest> = {}, mayPatch = false): Call => ({
  hook: hooksOf([
    {
      metadata: { name: 'c' },
      webhooks: [{ name: 'h.example.com', admissionReviewVersions: ['v1'], sideEffects: 'None', ...webhook }],
    } as unknown as WebhookConfiguration,
  ])[0]!,
  as: ConfigMap,
  mayPatch,
  place: { round: 0, index: 3 },
  request: {
    verb: 'create',
    kind: ConfigMap,
    namespace: 'a',
    name: 'x',
    subresource: '',
    user: { name: 'alice', groups: [] },
    dryRun: false,
    object: undefined,
    old: undefined,
    ...request,
  },
});
const allowing = new FixedClient(({ body }) => {
  const { apiVersion, kind, request } = JSON.parse(body) as Record<string, never> & { request: { uid: string } };
  return { text: JSON.stringify({ apiVersion, kind, response: { uid: request.uid, allowed: true } }) };
});

test.each(['None', 'NoneOnDryRun'])('with side effects %s it is asked about a dry run', async (sideEffects) => {
  const allowed = await callWebhook(call({ sideEffects }, { dryRun: true }), allowing, services);
  expect(allowed).toMatchObject({ patch: undefined });
});

test.each(['Some', 'Unknown'])('with side effects %s a dry run is refused, unheard', async (sideEffects) => {
  const silent = new FixedClient(() => ({ problem: 'never asked' }));
  const asked = callWebhook(call({ sideEffects, failurePolicy: 'Ignore' }, { dryRun: true }), silent, services);
  await expect(asked).rejects.toMatchObject({
    code: 400,
    message: 'admission webhook "h.example.com" does not support dry run',
  });
  expect(silent.posts).toEqual([]);
});

test('it is asked in the first version of its own that is known', async () => {
  const posts = allowing.posts.length;
  await callWebhook(call({ admissionReviewVersions: ['v2', 'v1beta1', 'v1'] }), allowing, services);
  expect(JSON.parse(allowing.posts[posts]!.body)).toMatchObject({ apiVersion: 'admission.k8s.io/v1beta1' });
  await expect(callWebhook(call({ admissionReviewVersions: ['v2'] }), allowing, services)).rejects.toThrow(
    'webhook does not accept known AdmissionReview versions',
  );
});

test('one that only validates may not return a patch', async () => {
  const eager = new FixedClient(({ body }) => {
    const { apiVersion, kind, request } = JSON.parse(body) as Record<string, never> & { request: { uid: string } };
    const response = { uid: request.uid, allowed: true, patchType: 'JSONPatch', patch: 'W10=' };
    return { text: JSON.stringify({ apiVersion, kind, response }) };
  });
  await expect(callWebhook(call({}), eager, services)).rejects.toThrow(
    'received invalid webhook response: validating webhook may not return response.patch',
  );
  expect(await callWebhook(call({}, {}, true), eager, services)).toMatchObject({ patch: '[]' });
});

test('a call that failed refuses, unless the webhook may be passed over', async () => {
  const broken = new FixedClient(() => ({ problem: 'EOF' }));
  await expect(callWebhook(call({ failurePolicy: 'Fail' }), broken, services)).rejects.toMatchObject({
    code: 500,
    message: 'Internal error occurred: failed calling webhook "h.example.com": failed to call webhook: EOF',
  });
  expect(await callWebhook(call({ failurePolicy: 'Ignore' }), broken, services)).toBeUndefined();
});

test('/metrics counts questions, refusals and failures by webhook, as upstream', async () => {
  const webhookCalls = new WebhookCalls();
  const counting = { ...services, webhookCalls };
  const denying = new FixedClient(({ body }) => {
    const { apiVersion, kind, request } = JSON.parse(body) as Record<string, never> & { request: { uid: string } };
    const response = { uid: request.uid, allowed: false, status: { code: 999 } };
    return { text: JSON.stringify({ apiVersion, kind, response }) };
  });
  const broken = new FixedClient(() => ({ problem: 'EOF' }));
  const failing = new FixedClient(() => ({ problem: 'an error on the server', code: 502 }));
  await callWebhook(call({}, { verb: 'update' }), allowing, counting);
  await callWebhook(call({}, {}, true), denying, counting).catch(() => undefined);
  await callWebhook(call({}, { verb: 'delete' }), broken, counting).catch(() => undefined);
  await callWebhook(call({ failurePolicy: 'Ignore' }), failing, counting);
  const registry = new Registry();
  registerWebhookMetrics(registry, webhookCalls);
  const shown = (await registry.metrics()).split('\n').filter((line) => /_(total|count)\{/.test(line));
  const named = (text: string) => `{name="h.example.com",${text}}`;
  expect(shown.map((line) => line.replace('apiserver_admission_webhook_', ''))).toEqual([
    `request_total${named('type="validating",operation="UPDATE",code="200",rejected="false"')} 1`,
    `request_total${named('type="admit",operation="CREATE",code="400",rejected="true"')} 1`,
    `request_total${named('type="validating",operation="DELETE",code="503",rejected="true"')} 1`,
    `request_total${named('type="validating",operation="CREATE",code="502",rejected="false"')} 1`,
    `rejection_count${named('type="admit",operation="CREATE",error_type="no_error",rejection_code="400"')} 1`,
    `rejection_count${named('type="validating",operation="DELETE",error_type="calling_webhook_error",rejection_code="503"')} 1`,
    `fail_open_count${named('type="validating"')} 1`,
    `admission_duration_seconds_count${named('type="validating",operation="UPDATE",rejected="false"')} 1`,
    `admission_duration_seconds_count${named('type="admit",operation="CREATE",rejected="true"')} 1`,
    `admission_duration_seconds_count${named('type="validating",operation="DELETE",rejected="true"')} 1`,
    `admission_duration_seconds_count${named('type="validating",operation="CREATE",rejected="false"')} 1`,
  ]);
});

test('its time is that of others: mutating ones one after the other, validating ones side by side, failed ones too', async () => {
  const clock = new ManualClock();
  const elsewhere = { queuedMs: 0, mutatingWebhooksMs: 0, validatingWebhooksMs: 0 };
  const taking = (ms: number, answer: Answer = { problem: 'EOF' }) =>
    new FixedClient(() => {
      clock.advance(ms);
      return answer;
    });
  const passedOver = { failurePolicy: 'Ignore' };
  for (const ms of [20, 30])
    await callWebhook(call(passedOver, { elsewhere }, true), taking(ms), { ...services, clock });
  for (const ms of [70, 40]) await callWebhook(call(passedOver, { elsewhere }), taking(ms), { ...services, clock });
  expect(elsewhere).toEqual({ queuedMs: 0, mutatingWebhooksMs: 50, validatingWebhooksMs: 70 });
});

test('the audit event tells what the webhook said, and of one that was passed over', async () => {
  const said: Record<string, string> = {};
  const annotate = (key: string, value: string) => Object.assign(said, { [key]: value });
  const talking = new FixedClient(({ body }) => {
    const { apiVersion, kind, request } = JSON.parse(body) as Record<string, never> & { request: { uid: string } };
    const response = { uid: request.uid, allowed: true, auditAnnotations: { why: 'because', odd: 1 } };
    return { text: JSON.stringify({ apiVersion, kind, response }) };
  });
  await callWebhook(call({}, { annotate }), talking, services);
  expect(said).toEqual({ 'h.example.com/why': 'because' });
  const broken = new FixedClient(() => ({ problem: 'EOF' }));
  await callWebhook(call({ failurePolicy: 'Ignore' }, { annotate }), broken, services);
  await callWebhook(call({ failurePolicy: 'Ignore' }, { annotate }, true), broken, services);
  expect(said).toMatchObject({
    'failed-open.validating.webhook.admission.k8s.io/round_0_index_3': 'h.example.com',
    'failed-open.mutation.webhook.admission.k8s.io/round_0_index_3': 'h.example.com',
  });
});

test('the audit event tells which mutating webhook changed the object, and where bodies are kept also how', () => {
  const said: Record<string, { value: unknown; level: string | undefined }> = {};
  const annotate = (key: string, value: string, level?: string) =>
    Object.assign(said, { [key]: { value: JSON.parse(value), level } });
  const asked = call({}, { annotate }, true);
  noteMutation(asked, true);
  notePatch(asked, '[{"op":"remove","path":"/data"}]');
  const of = { configuration: 'c', webhook: 'h.example.com' };
  expect(said).toEqual({
    'mutation.webhook.admission.k8s.io/round_0_index_3': { value: { ...of, mutated: true }, level: undefined },
    'patch.webhook.admission.k8s.io/round_0_index_3': {
      value: { ...of, patch: [{ op: 'remove', path: '/data' }], patchType: 'JSONPatch' },
      level: 'Request',
    },
  });
});
