/**
 * The question that a conversion webhook is asked, and its answer. Pure. Source: apiextensions.k8s.io/v1
 * ConversionReview; texts as upstream's webhook_converter.go.
 */
import { isJsonObject, type JsonObject } from '#api/machinery/json-value.ts';

const GROUP = 'apiextensions.k8s.io';
const KNOWN_VERSIONS: readonly string[] = ['v1', 'v1beta1'];

/** The first version that both sides know. */
export const reviewVersionOf = (versions: readonly string[]): string | undefined =>
  versions.find((version) => KNOWN_VERSIONS.includes(version));

/** `objects` are JSON already: they are the bulk of it. */
export function conversionReview(
  version: string,
  { uid, apiVersion, objects }: { uid: string; apiVersion: string; objects: readonly string[] },
): string {
  const head = JSON.stringify({ kind: 'ConversionReview', apiVersion: `${GROUP}/${version}` }).slice(0, -1);
  const request = JSON.stringify({ uid, desiredAPIVersion: apiVersion }).slice(0, -1);
  return `${head},"request":${request},"objects":[${objects.join(',')}]}}`;
}

export type Answered = { objects: readonly unknown[] } | { problem: string };

/** Only v1 says for which question it is the answer. */
export function readConversionReview(text: string, { version, uid }: { version: string; uid: string }): Answered {
  const review = parsed(text);
  if ('problem' in review) return review;
  const { value } = review;
  const type = `${fieldText(value, 'apiVersion')}, Kind=${fieldText(value, 'kind')}`;
  const expected = `${GROUP}/v1, Kind=ConversionReview`;
  if (version === 'v1' && type !== expected)
    return { problem: `expected webhook response of ${expected}, got ${type}` };
  const response = value['response'];
  if (!isJsonObject(response)) return { problem: 'no response provided' };
  if (version === 'v1' && response['uid'] !== uid)
    return {
      problem: `expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(fieldText(response, 'uid'))}`,
    };
  const result = isJsonObject(response['result']) ? response['result'] : {};
  const status = fieldText(result, 'status');
  if (status !== 'Success') {
    const message = fieldText(result, 'message');
    return { problem: message || `response.result.status was '${status}', not 'Success'` };
  }
  const objects = response['convertedObjects'];
  return { objects: Array.isArray(objects) ? objects : [] };
}

function parsed(text: string): { value: JsonObject } | { problem: string } {
  try {
    const value: unknown = JSON.parse(text);
    if (isJsonObject(value)) return { value };
    return { problem: "couldn't get version/kind; json parse error: the answer is not an object" };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { problem: `couldn't get version/kind; json parse error: ${error.message}` };
  }
}

function fieldText(object: JsonObject, field: string): string {
  const value = Object.hasOwn(object, field) ? object[field] : undefined;
  return typeof value === 'string' ? value : '';
}
