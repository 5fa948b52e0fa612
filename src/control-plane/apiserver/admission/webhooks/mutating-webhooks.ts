/** MutatingAdmissionWebhook: whom the MutatingWebhookConfigurations name, one after the other. */
import { MutatingWebhookConfiguration } from '#api/admissionregistration/v1/mutating-webhook-configuration.ts';
import { Namespace } from '#api/core/v1/namespace.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import type { AdmissionPlugin, AdmissionRequest, AdmissionServices, Reinvocation } from '../define-admission.ts';
import type { Followed } from '../followed.ts';
import { ReinvocationMemory } from '../reinvocation-memory.ts';
import { noteMutation, notePatch } from './audit-annotations.ts';
import { type Call, callWebhook, type Place } from './call-webhook.ts';
import { followedHooks, type Hook } from './hook-source.ts';
import { isExempt, matchedKind } from './matching.ts';
import { patchedObject } from './patched-object.ts';
import { unshown } from './shown-object.ts';
import { WebhookClient } from './webhook-client.ts';

const NAME = 'MutatingAdmissionWebhook';

export function mutatingWebhooks(): AdmissionPlugin {
  const source = followedHooks(MutatingWebhookConfiguration);
  const client = new WebhookClient();
  return {
    name: NAME,
    reads: [MutatingWebhookConfiguration, Namespace],
    handles: ({ kind }) => !isExempt(kind),
    mutate(request, services, reinvocation) {
      const hooks = source.of(services.informers);
      if (hooks?.length === 0) return request.object!;
      return changedByAll(request, { source, client, services, reinvocation });
    },
    /** A delete has nothing to change, so it comes only here; these webhooks may refuse it. */
    validate(request, services) {
      if (request.verb !== 'delete' || source.of(services.informers)?.length === 0) return;
      return heardByAll(request, { source, client, services });
    },
  };
}

interface Round {
  source: Followed<readonly Hook[]>;
  client: WebhookClient;
  services: AdmissionServices;
  reinvocation: Reinvocation;
}

async function heardByAll(request: AdmissionRequest, round: Omit<Round, 'reinvocation'>): Promise<void> {
  const { source, services } = round;
  const hooks = source.of(services.informers) ?? (await source.whenSynced(request, services));
  for (const [index, hook] of hooks.entries()) await changedBy(hook, request, { ...round, place: { round: 0, index } });
}

async function changedByAll(request: AdmissionRequest, { reinvocation, ...round }: Round): Promise<KubeObject> {
  const { source, services } = round;
  const hooks = source.of(services.informers) ?? (await source.whenSynced(request, services));
  const memory = ReinvocationMemory.of(NAME, reinvocation, request.object);
  let current = request;
  for (const [index, hook] of hooks.entries()) {
    const place: Place = { round: reinvocation.isAgain ? 1 : 0, index };
    if (reinvocation.isAgain && !memory.isDue(hook.id)) continue;
    const outcome = await changedBy(hook, current, { ...round, place });
    if (!outcome) continue;
    if (outcome.object !== current.object) {
      memory.changed();
      reinvocation.isWanted = true;
      current = { ...current, object: outcome.object };
    }
    if (hook.webhook.reinvocationPolicy === 'IfNeeded') memory.ran(hook.id);
  }
  memory.left(current.object);
  return current.object!;
}

/** undefined when the webhook does not look at this request; the same object when it changed nothing. */
async function changedBy(
  hook: Hook,
  request: AdmissionRequest,
  { client, services, place }: Pick<Round, 'client' | 'services'> & { place: Place },
): Promise<{ object: KubeObject | undefined } | undefined> {
  const as = await matchedKind(hook, request, services);
  if (!as) return undefined;
  const call: Call = { hook, as, request, mayPatch: true, place };
  let object = request.object;
  try {
    object = await objectAfter(call, client, services);
  } finally {
    noteMutation(call, object !== request.object);
  }
  return { object };
}

async function objectAfter(
  call: Call,
  client: WebhookClient,
  services: AdmissionServices,
): Promise<KubeObject | undefined> {
  const { hook, as, request } = call;
  const allowed = await callWebhook(call, client, services);
  if (allowed?.patch === undefined) return request.object;
  const patched = patchedObject(allowed, { webhook: hook.webhook.name, as, request });
  notePatch(call, allowed.patch);
  return isEqual(patched, allowed.shown) ? request.object : await unshown(patched, request, as);
}
