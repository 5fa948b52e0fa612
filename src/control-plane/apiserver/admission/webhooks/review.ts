/** The AdmissionReview that goes to a webhook, and what counts as an answer. Source: API reference, admission.k8s.io/v1. */
import { fromBase64 } from '#api/machinery/base64.ts';
import { parseJson } from '#api/machinery/codec-json.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import type { StatusDetails } from '#api/machinery/status.ts';
import type { AdmissionRequest } from '../define-admission.ts';
import { requestedType, shownAs, typeOf } from './shown-object.ts';

const VERSIONS = ['v1', 'v1beta1'];
const GROUP = 'admission.k8s.io';

export interface Review {
  uid: string;
  version: string;
  body: string;
  /** undefined for a delete. */
  shown: KubeObject | undefined;
}

/** The first version of the webhook's own that is known here; undefined when there is none. */
export const reviewVersion = (accepted: readonly string[]): string | undefined =>
  accepted.find((version) => VERSIONS.includes(version));

export async function reviewOf(
  request: AdmissionRequest,
  { uid, version, as }: { uid: string; version: string; as: Kind },
): Promise<Review> {
  const { kind, subresource, name, namespace, verb, user, object, old, dryRun } = request;
  const shown = object && (await shownAs(object, request, as));
  const shownOld = old && (await shownAs(old, request, as));
  const requested = requestedType(request);
  const review = {
    kind: 'AdmissionReview',
    apiVersion: `${GROUP}/${version}`,
    request: {
      uid,
      kind: as === kind ? requested : typeOf(shown ?? shownOld, as),
      resource: resourceOf(as),
      ...(subresource && { subResource: subresource }),
      requestKind: requested,
      requestResource: resourceOf(kind),
      ...(subresource && { requestSubResource: subresource }),
      ...(name && { name }),
      ...(namespace && { namespace }),
      operation: verb.toUpperCase(),
      userInfo: {
        username: user.name,
        ...(user.uid && { uid: user.uid }),
        groups: user.groups,
        ...(user.extra && { extra: user.extra }),
      },
      object: shown ?? null,
      oldObject: shownOld ?? null,
      dryRun,
      options: request.options?.() ?? null,
    },
  };
  return { uid, version, body: JSON.stringify(review), shown };
}

const resourceOf = ({ group, version, plural }: Kind) => ({ group, version, resource: plural });

export interface Verdict {
  allowed: boolean;
  status: { code?: number; reason?: string; message?: string; details?: StatusDetails };
  warnings: readonly string[];
  /** For the audit event. */
  annotations: readonly [string, string][];
  /** The text of a JSON patch; undefined when nothing is to change. */
  patch: string | undefined;
}

/** A problem is one of the answer itself, as upstream words it. */
export function verdictOf(
  text: string,
  { uid, version }: Pick<Review, 'uid' | 'version'>,
  { mayPatch }: { mayPatch: boolean },
): Verdict | { problem: string } {
  const parsed = parseJson(text);
  if ('problem' in parsed) return { problem: parsed.problem };
  const review = recordOf(parsed.value);
  const response = review && recordOf(review.response);
  if (!response) return { problem: 'webhook response was absent' };
  if (typeof response.allowed !== 'boolean') return { problem: 'webhook response.allowed was absent' };
  const problem = version === 'v1' ? problemOf(review, response, uid) : undefined;
  if (problem) return { problem };
  const patch = patchOf(response, { mayPatch, isTyped: version === 'v1' });
  if (typeof patch === 'object') return patch;
  const status = recordOf(response.status) ?? {};
  return {
    allowed: response.allowed,
    status: statusOf(status),
    warnings: textsOf(response.warnings),
    annotations: entriesOf(response.auditAnnotations),
    patch,
  };
}

type Fields = Readonly<Record<string, unknown>>;

function problemOf(review: Fields, response: Fields, uid: string): string | undefined {
  if (response.uid !== uid)
    return `expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(textOf(response.uid))}`;
  const [version = '', group = ''] = textOf(review.apiVersion).split('/').reverse();
  if (group === GROUP && version === 'v1' && review.kind === 'AdmissionReview') return undefined;
  const got = `${group}/${version}, Kind=${textOf(review.kind)}`;
  return `expected webhook response of ${GROUP}/v1, Kind=AdmissionReview, got ${got}`;
}

function patchOf(
  { patch, patchType }: Fields,
  { mayPatch, isTyped }: { mayPatch: boolean; isTyped: boolean },
): string | undefined | { problem: string } {
  const hasPatch = typeof patch === 'string' && patch !== '';
  const hasType = patchType !== undefined && patchType !== null;
  if (!mayPatch) {
    if (isTyped && hasPatch) return { problem: 'validating webhook may not return response.patch' };
    if (isTyped && hasType) return { problem: 'validating webhook may not return response.patchType' };
    return undefined;
  }
  if (isTyped && hasPatch && !hasType) return { problem: 'webhook returned response.patch but not response.patchType' };
  if (isTyped && !hasPatch && hasType) return { problem: 'webhook returned response.patchType but not response.patch' };
  if (!hasPatch) return undefined;
  if (hasType && patchType !== 'JSONPatch')
    return { problem: `unsupported patch type ${JSON.stringify(textOf(patchType))}` };
  const bytes = fromBase64(patch);
  if ('wrongAt' in bytes) return { problem: `illegal base64 data at input byte ${bytes.wrongAt}` };
  return Buffer.from(bytes).toString('utf8');
}

const statusOf = ({ code, reason, message, details }: Fields): Verdict['status'] => ({
  ...(typeof code === 'number' && { code }),
  ...(typeof reason === 'string' && { reason }),
  ...(typeof message === 'string' && { message }),
  ...(recordOf(details) && { details: details as StatusDetails }),
});

const recordOf = (value: unknown): Fields | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
const textsOf = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((text): text is string => typeof text === 'string') : [];
const entriesOf = (value: unknown): [string, string][] =>
  Object.entries(recordOf(value) ?? {}).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
