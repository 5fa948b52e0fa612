/** One thing that is wrong with a submitted object. Validation returns all of them at once. Texts: apimachinery, field errors. */
export interface FieldError {
  /** The cause's reason on the wire, e.g. FieldValueInvalid. */
  reason: FieldErrorReason;
  /** `spec.containers[0].name`, as kubectl prints it. */
  field: string;
  /** The whole text behind the field, e.g. `Invalid value: "x": must be …`. */
  message: string;
}

export type FieldErrorReason =
  | 'FieldValueNotFound'
  | 'FieldValueRequired'
  | 'FieldValueDuplicate'
  | 'FieldValueInvalid'
  | 'FieldValueNotSupported'
  | 'FieldValueForbidden'
  | 'FieldValueTooLong'
  | 'FieldValueTooMany'
  | 'FieldValueTypeInvalid'
  | 'InternalError';

// Constructors, one a reason, with upstream's texts. `at` is a path of field-path.ts or a string.
type At = { toString(): string };

/** As a value: there is one, but it is not shown. */
export const OMITTED = Symbol('omitted');

/** `Invalid value: "x": must be …`. Values that are no scalar are shown as JSON. */
export const invalidValue = (at: At, value: unknown, detail: string): FieldError => ({
  reason: 'FieldValueInvalid',
  field: String(at),
  message: `Invalid value${shownAfter(value)}${detail && `: ${detail}`}`,
});

/** Where the value is left out, because it would say nothing: `Invalid value: one of a and b is required`. */
export const invalidWithoutValue = (at: At, detail: string): FieldError => ({
  reason: 'FieldValueInvalid',
  field: String(at),
  message: `Invalid value: ${detail}`,
});

export const requiredValue = (at: At, detail = ''): FieldError => ({
  reason: 'FieldValueRequired',
  field: String(at),
  message: `Required value${detail && `: ${detail}`}`,
});

export const forbiddenField = (at: At, detail: string): FieldError => ({
  reason: 'FieldValueForbidden',
  field: String(at),
  message: `Forbidden${detail && `: ${detail}`}`,
});

/** `supported` in the order in which they shall be read. */
export const notSupportedValue = (at: At, value: unknown, supported: readonly string[]): FieldError => ({
  reason: 'FieldValueNotSupported',
  field: String(at),
  message: `Unsupported value: ${shown(value)}: supported values: ${supported.map(shown).join(', ')}`,
});

export const duplicateValue = (at: At, value: unknown): FieldError => ({
  reason: 'FieldValueDuplicate',
  field: String(at),
  message: `Duplicate value${shownAfter(value)}`,
});

export const notFoundValue = (at: At, value: unknown, detail = ''): FieldError => ({
  reason: 'FieldValueNotFound',
  field: String(at),
  message: `Not found: ${shown(value)}${detail && `: ${detail}`}`,
});

export const tooLong = (at: At, maxBytes: number): FieldError => ({
  reason: 'FieldValueTooLong',
  field: String(at),
  message:
    maxBytes < 0
      ? 'Too long: value is too long'
      : `Too long: may not be more than ${maxBytes} byte${maxBytes === 1 ? '' : 's'}`,
});

export const tooMany = (at: At, count: number, max: number): FieldError => ({
  reason: 'FieldValueTooMany',
  field: String(at),
  message: `Too many: ${count}: must have at most ${max} item${max === 1 ? '' : 's'}`,
});

export const typeInvalid = (at: At, value: unknown, detail: string): FieldError => ({
  reason: 'FieldValueTypeInvalid',
  field: String(at),
  message: `Invalid value: ${shown(value)}: ${detail}`,
});

/** Something that is the server's fault. */
export const internalFieldError = (at: At, why: string): FieldError => ({
  reason: 'InternalError',
  field: String(at),
  message: `Internal error: ${why}`,
});

const shownAfter = (value: unknown): string => (value === OMITTED ? '' : `: ${shown(value)}`);

/** More of a list or an object helps nobody; a thousand errors may show the same one. */
const MAX_SHOWN = 10_000;
const shownObjects = new WeakMap<object, string>();

function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value !== 'object' || value === null) return jsonOf(value);
  const known = shownObjects.get(value);
  if (known !== undefined) return known;
  const text = jsonOf(value);
  const short = text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}...` : text;
  if (Object.isFrozen(value)) shownObjects.set(value, short);
  return short;
}

/** Go escapes what HTML takes for markup in JSON, though not in a text that stands alone. */
export const jsonOf = (value: unknown): string =>
  (JSON.stringify(value) ?? 'null').replace(/[<>&\u2028\u2029]/g, escaped);

const escaped = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
