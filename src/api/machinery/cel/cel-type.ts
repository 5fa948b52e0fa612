/** The types that the checker of CEL knows, and their names as its messages print them. */

export type CelKind =
  | 'bool'
  | 'int'
  | 'uint'
  | 'double'
  | 'string'
  | 'bytes'
  | 'null'
  | 'duration'
  | 'timestamp'
  | 'list'
  | 'map'
  | 'type'
  | 'object' // named, with fields
  | 'opaque' // named, without fields; `optional_type` is one
  | 'dyn'
  | 'error'
  | 'param'; // a type parameter of a function declaration

export interface CelType {
  readonly kind: CelKind;
  /** As in `type(x)`: `int`, `list`, `kubernetes.Quantity`; a parameter's own name. */
  readonly name: string;
  /** Of a list its element; of a map key and value; of a type and an optional what they are of. */
  readonly params: readonly CelType[];
}

const simple = (kind: CelKind, name: string): CelType => Object.freeze({ kind, name, params: Object.freeze([]) });

export const BOOL = simple('bool', 'bool');
export const INT = simple('int', 'int');
export const UINT = simple('uint', 'uint');
export const DOUBLE = simple('double', 'double');
export const STRING = simple('string', 'string');
export const BYTES = simple('bytes', 'bytes');
export const NULL = simple('null', 'null_type');
export const DURATION = simple('duration', 'google.protobuf.Duration');
export const TIMESTAMP = simple('timestamp', 'google.protobuf.Timestamp');
export const DYN = simple('dyn', 'dyn');
export const ERROR = simple('error', '*error*');

export const listOf = (element: CelType): CelType => ({ kind: 'list', name: 'list', params: [element] });
export const mapOf = (key: CelType, value: CelType): CelType => ({ kind: 'map', name: 'map', params: [key, value] });
export const typeOf = (of?: CelType): CelType => ({ kind: 'type', name: 'type', params: of ? [of] : [] });
export const objectNamed = (name: string): CelType => simple('object', name);
export const opaqueNamed = (name: string, ...params: CelType[]): CelType => ({ kind: 'opaque', name, params });
export const optionalOf = (of: CelType): CelType => opaqueNamed('optional_type', of);
export const paramNamed = (name: string): CelType => simple('param', name);

export const isOptionalType = ({ kind, name }: CelType): boolean => kind === 'opaque' && name === 'optional_type';

/** As the messages of the checker print it: `list(int)`, `map(string, dyn)`, `duration`, `optional_type(int)`. */
export function formatType({ kind, name, params }: CelType): string {
  const short = SHORT_NAMES.get(kind) ?? name;
  return params.length === 0 ? short : `${short}(${params.map(formatType).join(', ')})`;
}

const SHORT_NAMES: ReadonlyMap<CelKind, string> = new Map([
  ['null', 'null'],
  ['duration', 'duration'],
  ['timestamp', 'timestamp'],
  ['error', '!error!'],
]);

/** With full names, as in upstream's "must evaluate to bool but got google.protobuf.Duration". */
export const longTypeName = ({ name, params }: CelType): string =>
  params.length === 0 ? name : `${name}(${params.map(longTypeName).join(', ')})`;

export const isSameType = (a: CelType, b: CelType): boolean =>
  a === b ||
  (a.kind === b.kind &&
    a.name === b.name &&
    a.params.length === b.params.length &&
    a.params.every((param, i) => isSameType(param, b.params[i]!)));
