/** What a webhook's patch makes of the object that it was shown: of the same type, defaulted, where the request put it. */
import { parseJson } from '#api/machinery/codec-json.ts';
import { applyJsonPatch } from '#api/machinery/json-patch.ts';
import type { Json } from '#api/machinery/json-value.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { strictProblem } from '#api/machinery/normalise.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { badRequest, internalError, StatusError } from '#api/machinery/status.ts';
import { reshape } from '../../decode-object.ts';
import type { AdmissionRequest } from '../define-admission.ts';
import type { Allowed } from './call-webhook.ts';
import { isOf, shapeOf, typeOf } from './shown-object.ts';

/**
 * In the version that the webhook was shown. Throws InternalError for a patch that does not fit, and BadRequest when it
 * moves the object into another namespace than the one that the request was authorised for.
 */
export function patchedObject(
  { patch = '[]', shown }: Allowed,
  { webhook, as, request }: { webhook: string; as: Kind; request: AdmissionRequest },
): KubeObject {
  if (!shown)
    throw internalError(
      `admission webhook ${JSON.stringify(webhook)} attempted to modify the object, which is not supported for this operation`,
    );
  const type = shapeOf(shown, as);
  const patched = applied(shown, patch);
  const { group, version, kind } = typeOf((patched ?? {}) as unknown as KubeObject, as);
  if (group !== type.group || version !== type.version || kind !== type.kind)
    throw internalError(`admission webhook ${JSON.stringify(webhook)} attempted to change the type of the object`);
  return shapedObject(patched, { shown, as, request });
}

interface Shaping {
  shown: KubeObject;
  as: Kind;
  request: AdmissionRequest;
  /** Refuses fields that the type does not have. */
  isStrict?: boolean;
}

/** What was made of `shown`: of its type, defaulted, where the request put it. Throws InternalError, BadRequest. */
export function shapedObject(value: unknown, { shown, as, request, isStrict = false }: Shaping): KubeObject {
  const type = shapeOf(shown, as);
  const { object, unknownFields } = reshape(type, value, { refuse: internalError });
  if (isStrict && type.facts && unknownFields.length > 0) throw internalError(strictProblem(unknownFields));
  const result = { ...object, apiVersion: type.apiVersion, kind: type.kind } as unknown as KubeObject;
  const placed = inPlace(result, request);
  return isOf(as, placed) ? as.defaults(placed) : placed;
}

function applied(shown: KubeObject, patch: string): Json {
  const parsed = parseJson(patch);
  if ('problem' in parsed) throw internalError(parsed.problem);
  try {
    return applyJsonPatch(shown as unknown as Json, parsed.value ?? []);
  } catch (error) {
    if (error instanceof StatusError)
      throw internalError(typeof error.cause === 'string' ? error.cause : error.message, error);
    throw error;
  }
}

/** A namespace that was taken out is put back. */
function inPlace(object: KubeObject, { kind, namespace }: AdmissionRequest): KubeObject {
  if (kind.scope !== 'Namespaced' || object.metadata?.namespace === namespace) return object;
  if (object.metadata?.namespace)
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  return { ...object, metadata: { ...object.metadata, namespace } };
}
