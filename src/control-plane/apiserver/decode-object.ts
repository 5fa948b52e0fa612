/**
 * Body → object: read as its media type says, checked to be of the kind that the URL serves, brought into the exact
 * shape of its type and defaulted. Unknown and duplicate fields are refused, warned of or ignored, as the client
 * asked.
 */
import { facts } from '#api/generated/facts.ts';
import { parseJson, parseJsonStrictly, parseWithoutDuplicates } from '#api/machinery/codec-json.ts';
import { decodeProtobuf, PROTOBUF_MEDIA_TYPE } from '#api/machinery/codec-protobuf.ts';
import { parseYaml } from '#api/machinery/codec-yaml.ts';
import type { TypeFacts } from '#api/machinery/facts.ts';
import { keepSame } from '#api/machinery/keep-same.ts';
import { apiVersionOf, type Kind } from '#api/machinery/kind.ts';
import {
  type Normalised,
  normalise,
  strictProblem,
  strictWarnings,
  unknownFieldText,
} from '#api/machinery/normalise.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { cloneRaw } from '#api/machinery/raw-value.ts';
import { badRequest } from '#api/machinery/status.ts';
import type { CustomShape } from '#api/machinery/structural-schema/custom-shape.ts';
import { deepFreeze } from '#base/deep-freeze.ts';
import { JSON_MEDIA_TYPE, mediaTypeOf, type RequestBody, refuseMediaType, YAML_MEDIA_TYPE } from './request-body.ts';
import { keepDecodedSpec, withDecodedSpec } from './template-specs.ts';
import type { FieldValidation } from './verbs/write-options.ts';

export interface DecodeOptions {
  fieldValidation: FieldValidation;
  warn(text: string): void;
  /** An object of this type, in shape, that the body may repeat: what it leaves as it is is not gone through again. */
  from?: object | undefined;
}

/** What a body is to be. */
export interface BodyType {
  group: string;
  version: string;
  kind: string;
  /** Of custom kinds. */
  custom?: CustomShape;
}

const MAX_DEPTH = 500;
const decoder = new TextDecoder('utf-8', { fatal: true });

/** Frozen, defaulted, with apiVersion and kind. Throws BadRequest and UnsupportedMediaType. */
export function decodeObject<T extends KubeObject>(
  kind: Kind<T>,
  body: RequestBody | undefined,
  options: DecodeOptions,
): T {
  const context = { shape: kind.facts, ...options };
  const read = readOfType(kind, body, context);
  const known = options.from ? undefined : withDecodedSpec(kind, read.value);
  const decoded = known
    ? fitted(kind, { ...read, value: known.value }, { ...context, from: known.from })
    : fitted(kind, read, context);
  const object = kind.defaults(told(kind, decoded, options) as unknown as T);
  if (!options.from && !known && !decoded.hasUnknown) keepDecodedSpec(kind, read.value, object);
  return object;
}

/** The same for types that are no resource: DeleteOptions, Scale, reviews. Not defaulted. */
export function decodeBody(
  type: BodyType,
  body: RequestBody | undefined,
  options: DecodeOptions,
  shape: TypeFacts | undefined = facts.typeOfKind(type.group, type.version, type.kind),
): Record<string, unknown> {
  const context = { shape, ...options };
  return told(type, fitted(type, readOfType(type, body, context), context), options);
}

interface Decoded {
  object: Record<string, unknown>;
  /** What strict reading would refuse. */
  errors: readonly string[];
  /** Fields, whether or not they count as errors. */
  hasUnknown: boolean;
}

function readOfType(type: BodyType, body: RequestBody | undefined, context: Context): Read {
  const read = readBody(type, body, context);
  refuseOtherType(type, read.value);
  return read;
}

function told(type: BodyType, { object, errors }: Decoded, { fieldValidation, warn }: DecodeOptions) {
  if (errors.length === 0) return object;
  if (fieldValidation === 'Strict') throw unfit(type, object, strictProblem(errors));
  if (fieldValidation === 'Warn') for (const text of strictWarnings(errors)) warn(text);
  return object;
}

/** A type and its shape: what a patched object is brought into. */
export interface ShapedType extends BodyType {
  apiVersion: string;
  /** undefined for custom kinds. */
  facts: TypeFacts | undefined;
}

export const shapedTypeOf = (type: BodyType & { facts?: TypeFacts | undefined }): ShapedType => ({
  ...(type.custom && { custom: type.custom }),
  group: type.group,
  version: type.version,
  kind: type.kind,
  apiVersion: apiVersionOf(type),
  facts: 'facts' in type ? type.facts : facts.typeOfKind(type.group, type.version, type.kind),
});

export interface Reshaped {
  object: Record<string, unknown>;
  /** As texts: `unknown field "spec.foo"`. */
  unknownFields: readonly string[];
}

export interface Reshaping {
  /** What the value was made from, in shape: what did not change is not gone through again. */
  from?: object | undefined;
  refuse(problem: string): Error;
}

/**
 * An object that the server itself made (the result of a patch): the same shaping, with an error of the caller's
 * making.
 */
export function reshape({ facts: shape, custom }: ShapedType, value: unknown, { from, refuse }: Reshaping): Reshaped {
  const result = shape
    ? normalise(facts, shape, from ? keepSame(value, from) : value, from)
    : normaliseCustom(value, custom);
  if ('problem' in result) throw refuse(result.problem);
  return { object: result.object, unknownFields: textsOf(result, shape) };
}

interface Read {
  value: unknown;
  strictErrors: readonly string[];
  /** The reader has looked for unknown fields itself. */
  isStrict: boolean;
  /** What it was read from, when the reader has looked for duplicates only: for unknown fields in its order. */
  text?: string;
}

type Context = DecodeOptions & { shape: TypeFacts | undefined };

function readBody(type: BodyType, body: RequestBody | undefined, context: Context): Read {
  if (!body) return readText(type, '', context);
  if ('object' in body) return { value: body.object, strictErrors: [], isStrict: false };
  const accepted = [JSON_MEDIA_TYPE, YAML_MEDIA_TYPE, ...(context.shape ? [PROTOBUF_MEDIA_TYPE] : [])];
  const mediaType = mediaTypeOf(body.contentType) || JSON_MEDIA_TYPE;
  if (!accepted.includes(mediaType)) throw refuseMediaType(accepted);
  if (mediaType === PROTOBUF_MEDIA_TYPE) return readProtobuf(type, body.bytes);
  const text = textOf(type, body.bytes);
  return mediaType === YAML_MEDIA_TYPE ? readYaml(type, text, context) : readText(type, text, context);
}

function textOf(type: BodyType, bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) throw unrecognised(type, 'the body is not valid UTF-8');
    throw error;
  }
}

function readText(type: BodyType, text: string, { fieldValidation, shape }: Context): Read {
  const refuse = (problem: string) => unrecognised(type, `couldn't get version/kind; json parse error: ${problem}`);
  if (fieldValidation === 'Ignore') {
    const parsed = parseJson(text);
    if ('problem' in parsed) throw refuse(parsed.problem);
    return { value: parsed.value, strictErrors: [], isStrict: true };
  }
  const plain = parseWithoutDuplicates(text);
  if (plain) return { value: plain.value, strictErrors: [], isStrict: false, text };
  const parsed = parseJsonStrictly(text, shape && { facts, type: shape });
  if ('problem' in parsed) throw refuse(parsed.problem);
  return { ...parsed, isStrict: true };
}

function readYaml(type: BodyType, text: string, { fieldValidation }: Context): Read {
  const parsed = parseYaml(text, { findDuplicates: fieldValidation !== 'Ignore' });
  if ('problem' in parsed) throw unrecognised(type, parsed.problem);
  return { value: parsed.value, strictErrors: parsed.duplicates, isStrict: false };
}

function readProtobuf(type: BodyType, bytes: Uint8Array): Read {
  const read = decodeProtobuf(facts, bytes, { apiVersion: apiVersionOf(type), kind: type.kind });
  if ('problem' in read) {
    throw read.typeMeta?.kind ? unfit(type, read.typeMeta, read.problem) : unrecognised(type, read.problem);
  }
  return { value: read.object, strictErrors: [], isStrict: true };
}

function refuseOtherType(type: BodyType, value: unknown): void {
  const given = (typeof value === 'object' && value !== null ? value : {}) as { apiVersion?: unknown; kind?: unknown };
  const { apiVersion, kind } = given;
  const expected = apiVersionOf(type);
  if (typeof kind === 'string' && kind && kind !== type.kind) {
    const [version = '', group = ''] = (typeof apiVersion === 'string' && apiVersion ? apiVersion : expected)
      .split('/')
      .reverse();
    if (isOptions(type.kind) && isOptions(kind)) return;
    const from = `${group || 'core'}.${kind}`;
    throw unfit(
      type,
      given,
      `converting (${version}.${kind}) to (${type.group || 'core'}.${type.kind}): unknown conversion (${from})`,
    );
  }
  if (typeof apiVersion === 'string' && apiVersion && apiVersion !== expected && !isOptions(type.kind))
    throw badRequest(
      `the API version in the data (${apiVersion}) does not match the expected API version (${expected})`,
    );
}

/** DeleteOptions exists in every group and version; clients name whichever they talk to. */
const isOptions = (kind: string): boolean => kind === 'DeleteOptions';

/** What was read from JSON of a built-in kind in the order of its text, all else as upstream sorts it. */
function errorsOf(
  { strictErrors, isStrict, text }: Read,
  unknownFields: readonly string[],
  { shape }: Context,
): readonly string[] {
  if (isStrict && shape) return strictErrors;
  if (unknownFields.length === 0) return strictErrors;
  const ordered = text !== undefined && shape && parseJsonStrictly(text, { facts, type: shape });
  return ordered && 'strictErrors' in ordered ? ordered.strictErrors : [...strictErrors, ...unknownFields];
}

function fitted(type: BodyType, read: Read, context: Context): Decoded {
  const { value } = read;
  const { shape, from } = context;
  const result = shape
    ? normalise(facts, shape, (from ? keepSame(value, from) : value) ?? {}, from)
    : normaliseCustom(value, type.custom);
  if ('problem' in result) throw unfit(type, isObject(value) ? value : {}, result.problem);
  return {
    object: typed(type, result.object),
    errors: errorsOf(read, textsOf(result, shape), context),
    hasUnknown: result.unknownFields.length > 0,
  };
}

function typed(type: BodyType, object: Record<string, unknown>): Record<string, unknown> {
  const { kind } = type;
  const apiVersion = apiVersionOf(type);
  if (object.kind === kind && object.apiVersion === apiVersion) return object;
  return { ...object, kind, apiVersion };
}

/** Those of custom kinds are in order. */
function textsOf({ unknownFields }: { unknownFields: readonly string[] }, shape: TypeFacts | undefined) {
  if (unknownFields.length === 0) return unknownFields;
  return (shape ? [...unknownFields].sort() : unknownFields).map(unknownFieldText);
}

/** The metadata has the shape that all have, the rest the one of its definition's schema. */
function normaliseCustom(value: unknown, custom: CustomShape | undefined): Normalised {
  const copy = cloneRaw(value, MAX_DEPTH);
  if ('problem' in copy) return copy;
  if (!isObject(copy.value)) return { problem: 'json: cannot unmarshal into Go value of type map[string]interface {}' };
  const metadata = normalise(facts, facts.type('meta.v1.ObjectMeta')!, copy.value.metadata ?? {});
  if ('problem' in metadata) return metadata;
  const object = { ...copy.value, metadata: metadata.object };
  const pruned: ReturnType<CustomShape['prune']> = custom?.prune(object) ?? { value: object, unknownFields: [] };
  if (pruned.problem !== undefined) return { problem: pruned.problem };
  return {
    object: deepFreeze({ ...pruned.value }),
    unknownFields: [...metadata.unknownFields.map((field) => `metadata.${field}`), ...pruned.unknownFields],
  };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function unfit(type: BodyType, given: { apiVersion?: unknown; kind?: unknown }, problem: string) {
  const version = String(given.apiVersion || apiVersionOf(type))
    .split('/')
    .pop();
  return badRequest(
    `${given.kind || type.kind} in version "${version}" cannot be handled as a ${type.kind}: ${problem}`,
  );
}

const unrecognised = (type: BodyType, problem: string) =>
  badRequest(`the object provided is unrecognized (must be of type ${type.kind}): ${problem}`);
