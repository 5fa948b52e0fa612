/** ValidatingAdmissionWebhook: whom the ValidatingWebhookConfigurations name, all at once; they change nothing. */
import { ValidatingWebhookConfiguration } from '#api/admissionregistration/v1/validating-webhook-configuration.ts';
import { Namespace } from '#api/core/v1/namespace.ts';
import type { AdmissionPlugin, AdmissionRequest, AdmissionServices } from '../define-admission.ts';
import type { Followed } from '../followed.ts';
import { type Call, callWebhook } from './call-webhook.ts';
import { followedHooks, type Hook } from './hook-source.ts';
import { isExempt, matchedKind } from './matching.ts';
import { WebhookClient } from './webhook-client.ts';

export function validatingWebhooks(): AdmissionPlugin {
  const source = followedHooks(ValidatingWebhookConfiguration);
  const client = new WebhookClient();
  return {
    name: 'ValidatingAdmissionWebhook',
    reads: [ValidatingWebhookConfiguration, Namespace],
    handles: ({ kind }) => !isExempt(kind),
    validate(request, services) {
      if (source.of(services.informers)?.length === 0) return;
      return heardByAll(request, { source, client, services });
    },
  };
}

interface Tools {
  source: Followed<readonly Hook[]>;
  client: WebhookClient;
  services: AdmissionServices;
}

/** Throws what the first (in their order) of those that refused said, when all have answered. */
async function heardByAll(request: AdmissionRequest, { source, client, services }: Tools): Promise<void> {
  const hooks = source.of(services.informers) ?? (await source.whenSynced(request, services));
  const calls: Call[] = [];
  for (const hook of hooks) {
    const as = await matchedKind(hook, request, services);
    if (as) calls.push({ hook, as, request, mayPatch: false, place: { round: 0, index: calls.length } });
  }
  const outcomes = await Promise.allSettled(calls.map((call) => callWebhook(call, client, services)));
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
}
