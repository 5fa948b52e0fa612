/**
 * Asks one webhook and keeps to what it said. Source: documentation, "Dynamic Admission Control"; texts as upstream's
 * plugin/webhook and webhook/errors, because clients match them.
 */
import { parseJson } from '#api/machinery/codec-json.ts';
import { jsonPatchProblem } from '#api/machinery/json-patch-operations.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { badRequest, internalError, StatusError, type StatusReason } from '#api/machinery/status.ts';
import { randomUuid } from '#base/random.ts';
import type { AdmissionRequest, AdmissionServices } from '../define-admission.ts';
import { noteAnswer, noteFailedOpen } from './audit-annotations.ts';
import type { Hook } from './hook-source.ts';
import { type Review, reviewOf, reviewVersion, type Verdict, verdictOf } from './review.ts';
import type { Asked, Outcome } from './webhook-calls.ts';
import type { WebhookClient } from './webhook-client.ts';

export interface Call {
  hook: Hook;
  /** The kind to show the object as. */
  as: Kind;
  request: AdmissionRequest;
  mayPatch: boolean;
  place: Place;
}

/** Which call of a request this is, as the audit log names it. */
export interface Place {
  /** 1 when a mutating webhook is asked again. */
  round: 0 | 1;
  index: number;
}

export interface Allowed {
  patch: string | undefined;
  shown: Review['shown'];
}

const DEFAULT_SECONDS = 10;
const NO_SIDE_EFFECTS: ReadonlySet<string> = new Set(['None', 'NoneOnDryRun']);

/**
 * undefined when the call failed and the webhook may be passed over. Throws the StatusError of a denial, and
 * InternalError for a failed call of a webhook that must be heard.
 */
export async function callWebhook(
  call: Call,
  client: WebhookClient,
  services: AdmissionServices,
): Promise<Allowed | undefined> {
  const { clock, webhookCalls: calls } = services;
  const asked = askedOf(call);
  const began = clock.monotonicMs();
  const count = (outcome: Omit<Outcome, 'seconds'>) => {
    const tookMs = clock.monotonicMs() - began;
    calls?.answered(asked, { ...outcome, seconds: tookMs / 1000 });
    noteTime(call, tookMs);
  };
  try {
    const allowed = await answerOf(call, client, services);
    if (allowed instanceof CallFailed) {
      // Counted as asked, and as passed over.
      count({ code: allowed.code });
      calls?.failedOpen(asked);
      return undefined;
    }
    count({ code: 200 });
    return allowed;
  } catch (error) {
    if (error instanceof CallFailed) {
      count({ code: error.code, rejection: 'calling_webhook_error' });
      throw error.refusal;
    }
    const { code = 0 } = error instanceof StatusError ? error : {};
    count(code > 0 ? { code, rejection: 'no_error' } : { code, rejection: 'apiserver_internal_error' });
    throw error;
  }
}

function noteTime({ request: { elsewhere }, mayPatch }: Call, tookMs: number): void {
  if (!elsewhere) return;
  if (mayPatch) elsewhere.mutatingWebhooksMs += tookMs;
  else elsewhere.validatingWebhooksMs = Math.max(elsewhere.validatingWebhooksMs, tookMs);
}

const OPERATIONS: Readonly<Record<string, string>> = { create: 'CREATE', update: 'UPDATE', delete: 'DELETE' };

const askedOf = ({ hook, request: { verb }, mayPatch }: Call): Asked => ({
  name: hook.webhook.name,
  type: mayPatch ? 'admit' : 'validating',
  operation: OPERATIONS[verb] ?? 'CONNECT',
});

/** A webhook that did not answer, or not so that it could be used. `code`: as upstream counts it. */
class CallFailed {
  readonly code: number;
  readonly refusal: StatusError;

  constructor(code: number, refusal: StatusError) {
    this.code = code;
    this.refusal = refusal;
  }
}

/** Throws CallFailed when the call failed, and returns it where the webhook may be passed over. */
async function answerOf(call: Call, client: WebhookClient, services: AdmissionServices): Promise<Allowed | CallFailed> {
  const { hook, as, request, mayPatch } = call;
  const { name, sideEffects, admissionReviewVersions, clientConfig, timeoutSeconds = DEFAULT_SECONDS } = hook.webhook;
  if (request.dryRun && !NO_SIDE_EFFECTS.has(sideEffects))
    throw badRequest(`admission webhook ${JSON.stringify(name)} does not support dry run`);
  const version = reviewVersion(admissionReviewVersions);
  if (!version)
    return failed(
      call,
      'could not create admission objects: webhook does not accept known AdmissionReview versions (v1, v1beta1)',
      { services, code: 400 },
    );
  const review = await reviewOf(request, { uid: randomUuid(services.random), version, as });
  const answer = await client.post({ config: clientConfig, body: review.body, timeoutSeconds }, services);
  if ('problem' in answer)
    return failed(call, `failed to call webhook: ${answer.problem}`, { services, code: answer.code ?? 503 });
  const verdict = verdictOf(answer.text, review, { mayPatch });
  if ('problem' in verdict)
    return failed(call, `received invalid webhook response: ${verdict.problem}`, { services, code: 503 });
  noteAnswer(request, name, verdict.annotations);
  for (const text of verdict.warnings) request.warn?.(text);
  if (!verdict.allowed) throw denied(name, verdict);
  const undecodable = verdict.patch === undefined ? undefined : patchProblem(verdict.patch);
  if (undecodable)
    return failed(call, `received undecodable patch in webhook response: ${undecodable}`, { services, code: 503 });
  return { patch: verdict.patch, shown: review.shown };
}

function patchProblem(text: string): string | undefined {
  const parsed = parseJson(text);
  return 'problem' in parsed ? parsed.problem : jsonPatchProblem(parsed.value);
}

/** Throws unless the webhook may be passed over. */
function failed(
  call: Call,
  why: string,
  { services, code }: { services: AdmissionServices; code: number },
): CallFailed {
  const { name, failurePolicy } = call.hook.webhook;
  const failure = new CallFailed(code, internalError(`failed calling webhook ${JSON.stringify(name)}: ${why}`));
  if (failurePolicy !== 'Ignore') throw failure;
  noteFailedOpen(call);
  services.log.warn('passed over a webhook whose call failed', { webhook: name, why });
  return failure;
}

/** Refusing is an error whatever code it came with. */
function denied(webhook: string, { status }: Verdict): StatusError {
  const { code = 0, reason = '', message, details } = status;
  const why = message || reason;
  return new StatusError(
    reason as StatusReason | '',
    `admission webhook ${JSON.stringify(webhook)} denied the request${why ? `: ${why}` : ' without explanation'}`,
    { code: Number.isInteger(code) && code >= 400 && code <= 599 ? code : 400, ...(details && { details }) },
  );
}
