/**
 * What the generated tables say of each type of the API: the one source from which pruning, coercion, protobuf, strategic
 * merge, managed fields and OpenAPI are driven. Tables: `generated/facts.ts`; made by `npm run update:schema`.
 */

/** A scalar by its wire form, or a reference to another type by its name, e.g. `core.v1.PodSpec`. */
export type TypeRef =
  | { scalar: Scalar }
  | { ref: string }
  | { list: TypeRef /** a named slice is a message of its own in protobuf, e.g. ExtraValue */; named?: boolean }
  | { map: TypeRef };

export type Scalar =
  | 'string'
  | 'int32'
  | 'int64'
  | 'bool'
  | 'double'
  | 'bytes' // bytes: base64 in JSON
  | 'quantity'
  | 'time'
  | 'microTime'
  | 'intOrString'
  | 'raw' /* RawExtension, JSON, any object */
  | 'fieldsV1';

export interface FieldFacts {
  /** The JSON name. */
  name: string;
  type: TypeRef;
  /** The protobuf field number; 0 where upstream has none. */
  number: number;
  /** A Go pointer (or slice or map): absent and zero are told apart. */
  pointer: boolean;
  /** The JSON tag says omitempty: a zero value that came by protobuf is dropped. */
  omitEmpty: boolean;
  /** The field's struct has no JSON level of its own, but is a nested message in protobuf (e.g. VolumeSource in Volume). */
  inline: boolean;
  required: boolean;
  enum?: readonly string[];
  /** How server-side apply and OpenAPI see a list or a map. */
  listType?: 'atomic' | 'set' | 'map';
  listMapKeys?: readonly string[];
  mapType?: 'atomic' | 'granular';
  /** Strategic merge patch. */
  patchStrategy?: readonly ('merge' | 'replace' | 'retainKeys')[];
  patchMergeKey?: string;
}

export interface TypeFacts {
  /** `core.v1.PodSpec`: group without its suffix as in upstream's Go package, version, type. */
  name: string;
  fields: readonly FieldFacts[];
  /** Merged as one value by server-side apply. */
  atomic?: boolean;
  /** In JSON one of two shapes: a schema, or an array of schemas, a boolean, an array of strings. In protobuf a message with both. */
  union?: 'array' | 'bool' | 'stringArray';
  /** The fields by JSON name as they stand in JSON: those of inlined structs lifted, the inlined structs themselves left out. */
  jsonFields: ReadonlyMap<string, FieldFacts>;
}

export interface Facts {
  /** undefined when no type has that name. Built on first use and then kept. */
  type(name: string): TypeFacts | undefined;
  /** The type of a kind, by group, version and kind. */
  typeOfKind(group: string, version: string, kind: string): TypeFacts | undefined;
  /** The names of all types. */
  names(): readonly string[];
}
