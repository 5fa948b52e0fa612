/**
 * What a call of a webhook leaves in the audit event of its request. Keys and values as upstream's webhook dispatchers.
 */
import type { AdmissionRequest } from '../define-admission.ts';
import type { Call } from './call-webhook.ts';

const MUTATION = 'mutation.webhook.admission.k8s.io';
const VALIDATING = 'validating.webhook.admission.k8s.io';

type Called = Pick<Call, 'hook' | 'request' | 'place' | 'mayPatch'>;

const at = ({ place: { round, index } }: Called): string => `round_${round}_index_${index}`;

/** After every call of a mutating webhook, whatever came of it. */
export function noteMutation(call: Called, mutated: boolean): void {
  const { configuration, webhook } = call.hook;
  call.request.annotate?.(`${MUTATION}/${at(call)}`, JSON.stringify({ configuration, webhook: webhook.name, mutated }));
}

/** `patch` is the text of a JSON patch. Shows contents of objects: kept only where bodies of requests are. */
export function notePatch(call: Called, patch: string): void {
  if (!call.request.annotate) return;
  const { configuration, webhook } = call.hook;
  const value = { configuration, webhook: webhook.name, patch: JSON.parse(patch) as unknown, patchType: 'JSONPatch' };
  call.request.annotate(`patch.webhook.admission.k8s.io/${at(call)}`, JSON.stringify(value), 'Request');
}

/** The call failed, and the request went on as if it had allowed it. */
export function noteFailedOpen(call: Called): void {
  call.request.annotate?.(`failed-open.${call.mayPatch ? MUTATION : VALIDATING}/${at(call)}`, call.hook.webhook.name);
}

/** What the webhook itself has to say. */
export function noteAnswer({ annotate }: AdmissionRequest, webhook: string, said: readonly [string, string][]): void {
  for (const [key, value] of said) annotate?.(`${webhook}/${key}`, value);
}
