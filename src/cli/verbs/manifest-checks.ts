/** What is looked at in a file before anything is sent, in kubectl's words. Source: kubectl, validation; cli-runtime, visitor. */
import { facts } from '#api/generated/facts.ts';
import { isJsonObject } from '#api/machinery/json-value.ts';
import { normalise } from '#api/machinery/normalise.ts';
import { VerbError } from './verb-error.ts';
import type { Validation } from './writing.ts';

/** For commands that validate (`--validate`): throws VerbError for what cannot be an object. */
export function refuseInvalid(value: unknown, source: string, validation: Validation): void {
  const told = whyInvalid(value, validation);
  if (told === undefined) return;
  throw new VerbError(
    `error validating ${JSON.stringify(source)}: error validating data: ${told}; if you choose to ignore these errors, turn validation off with --validate=false`,
  );
}

/** undefined for what can be an object. */
export function whyInvalid(value: unknown, validation: Validation): string | undefined {
  const problems = validation === 'Ignore' ? [] : problemsOf(value, validation === 'Strict');
  return problems.length > 1 ? `[${problems.join(', ')}]` : problems[0];
}

function problemsOf(value: unknown, isStrict: boolean): string[] {
  if (!isJsonObject(value)) return ['invalid object to validate'];
  const { apiVersion, kind, items } = value;
  const own = [...versionProblems(apiVersion), ...textProblems('kind', kind)];
  if (own.length > 0 || !isStrict || kind !== 'List' || apiVersion !== 'v1') return own;
  return Array.isArray(items) ? items.flatMap((item) => problemsOf(item, isStrict)) : ['invalid object to validate'];
}

const versionProblems = (apiVersion: unknown): string[] => {
  if (typeof apiVersion !== 'string') return textProblems('apiVersion', apiVersion);
  return isVersion(apiVersion) ? [] : [`unexpected GroupVersion string: ${apiVersion}`];
};

const textProblems = (field: string, value: unknown): string[] => {
  if (value === undefined || value === null) return [`${field} not set`];
  return typeof value === 'string' ? [] : [`${field} isn't string type`];
};

const isVersion = (text: string): boolean => text.split('/').length <= 2;

/** Throws VerbError for what says not what it is, or whose metadata are none. */
export function refuseUndecodable(
  value: unknown,
  source: string,
): asserts value is { apiVersion: string; kind: string } {
  const why = whyUndecodable(value);
  if (why) throw new VerbError(`unable to decode ${JSON.stringify(source)}: ${why}`);
}

function whyUndecodable(value: unknown): string | undefined {
  if (!isJsonObject(value))
    return `json: cannot unmarshal ${goTypeOf(value)} into Go value of type unstructured.detector`;
  const { apiVersion, kind, items = null, metadata } = value;
  const text = () => JSON.stringify(value);
  if (typeof kind !== 'string' || kind === '') return `Object 'Kind' is missing in '${text()}'`;
  if (typeof apiVersion === 'string' && !isVersion(apiVersion)) return `Object 'Kind' is missing in '${text()}'`;
  if (typeof apiVersion !== 'string' || apiVersion === '') return `Object 'apiVersion' is missing in '${text()}'`;
  if (items !== null && !Array.isArray(items))
    return `json: cannot unmarshal ${goTypeOf(items)} into Go struct field decodeList.items of type []json.RawMessage`;
  return metadata === undefined ? undefined : whyNoMetadata(metadata);
}

const goTypeOf = (value: unknown): string =>
  Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value;

/** As any kind has them: `name: 1` and, in YAML 1.1, `name: y` are no names. */
function whyNoMetadata(metadata: unknown): string | undefined {
  const read = normalise(facts, facts.type('meta.v1.PartialObjectMetadata')!, { metadata });
  return 'problem' in read
    ? read.problem.replace('field PartialObjectMetadata.', 'field metadataOnlyObject.')
    : undefined;
}
