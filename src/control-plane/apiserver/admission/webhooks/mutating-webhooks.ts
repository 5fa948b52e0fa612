/** MutatingAdmissionWebhook: whom the MutatingWebhookConfigurations name, one after the other. */
import { MutatingWebhookConfiguration } from '#api/admissionregistration/v1/mutating-webhook-configuration.ts';
import { Namespace } from '#api/core/v1/namespace.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import type { AdmissionPlugin, AdmissionRequest, AdmissionServices, Reinvocation } from '../define-admission.ts';
import { noteMutation, notePatch } from './audit-annotations.ts';
import { type Call, callWebhook, type Place } from './call-webhook.ts';
import { type Hook, HookSource } from './hook-source.ts';
import { isExempt, matchedKind } from './matching.ts';
import { patchedObject } from './patched-object.ts';
import { unshown } from './shown-object.ts';
import { WebhookClient } from './webhook-client.ts';

const NAME = 'MutatingAdmissionWebhook';

export function mutatingWebhooks(): AdmissionPlugin {
  const source = new HookSource(MutatingWebhookConfiguration);
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
  source: HookSource<MutatingWebhookConfiguration>;
  client: WebhookClient;
  services: AdmissionServices;
  reinvocation: Reinvocation;
}

/** What is remembered from the first round of the chain to the second. */
interface Memory {
  /** Ids of webhooks that want to be asked again if others change the object after them. */
  asked: Set<string>;
  due: Set<string>;
  output: KubeObject | undefined;
}

async function heardByAll(request: AdmissionRequest, round: Omit<Round, 'reinvocation'>): Promise<void> {
  const { source, services } = round;
  const hooks = source.of(services.informers) ?? (await source.whenSynced(request, services));
  for (const [index, hook] of hooks.entries()) await changedBy(hook, request, { ...round, place: { round: 0, index } });
}

async function changedByAll(request: AdmissionRequest, { reinvocation, ...round }: Round): Promise<KubeObject> {
  const { source, services } = round;
  const hooks = source.of(services.informers) ?? (await source.whenSynced(request, services));
  const memory = memoryOf(reinvocation);
  if (reinvocation.isAgain && !isEqual(memory.output, request.object)) allAreDue(memory);
  let current = request;
  for (const [index, hook] of hooks.entries()) {
    const place: Place = { round: reinvocation.isAgain ? 1 : 0, index };
    if (reinvocation.isAgain && !memory.due.has(hook.id)) continue;
    const outcome = await changedBy(hook, current, { ...round, place });
    if (!outcome) continue;
    if (outcome.object !== current.object) {
      allAreDue(memory);
      reinvocation.isWanted = true;
      current = { ...current, object: outcome.object };
    }
    if (hook.webhook.reinvocationPolicy === 'IfNeeded') memory.asked.add(hook.id);
  }
  memory.output = current.object;
  return current.object!;
}

function memoryOf({ kept }: Reinvocation): Memory {
  const known = kept.get(NAME) as Memory | undefined;
  if (known) return known;
  const memory: Memory = { asked: new Set(), due: new Set(), output: undefined };
  kept.set(NAME, memory);
  return memory;
}

function allAreDue(memory: Memory): void {
  for (const id of memory.asked) memory.due.add(id);
  memory.asked.clear();
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
