/**
 * A document of OpenAPI 3 as protobuf, which client-go asks for. The messages are gnostic's, as far as Kubernetes' documents
 * use them. Source: google/gnostic-models, openapiv3/OpenAPIv3.proto.
 */
import { WireWriter } from '#api/machinery/protobuf-wire.ts';
import {
  any,
  double,
  each,
  flag,
  type Message,
  message,
  type Node,
  named,
  text,
  type Write,
  whole,
  wrapped,
  writeFields,
} from './gnostic-writer.ts';

const isReference = (value: unknown): boolean => typeof (value as Node)['$ref'] === 'string';
const reference: Write = message(() => ({ $ref: [1, text] }));
/** A message around either; `either` is what is written when it is no reference. */
const orReference =
  (either: Write): Write =>
  (writer, number, value) =>
    writer.message(number, () => (isReference(value) ? reference(writer, 2, value) : either(writer, 1, value)));

/** A scalar; objects and lists have no form here, and leave an empty message, as upstream's. */
const defaultValue: Write = (writer, number, value) =>
  writer.message(number, () => {
    if (typeof value === 'number') double(writer, 1, value);
    else if (typeof value === 'boolean') flag(writer, 2, value);
    else if (typeof value === 'string') text(writer, 3, value);
  });

const plainSchema: Write = message(() => SCHEMA, 36);
const schema: Write = orReference(plainSchema);
const SCHEMA: Message = {
  nullable: [1, flag],
  title: [9, text],
  multipleOf: [10, double],
  maximum: [11, double],
  exclusiveMaximum: [12, flag],
  minimum: [13, double],
  exclusiveMinimum: [14, flag],
  maxLength: [15, whole],
  minLength: [16, whole],
  pattern: [17, text],
  maxItems: [18, whole],
  minItems: [19, whole],
  uniqueItems: [20, flag],
  maxProperties: [21, whole],
  minProperties: [22, whole],
  required: [23, each(text)],
  enum: [24, each(any)],
  type: [25, text],
  allOf: [26, each(schema)],
  oneOf: [27, each(schema)],
  anyOf: [28, each(schema)],
  not: [29, plainSchema],
  items: [30, wrapped(1, schema)],
  properties: [31, named(schema)],
  additionalProperties: [
    32,
    (writer, number, value) =>
      writer.message(number, () => (typeof value === 'boolean' ? flag(writer, 2, value) : schema(writer, 1, value))),
  ],
  default: [33, defaultValue],
  description: [34, text],
  format: [35, text],
};

const content: Write = named(message(() => ({ schema: [1, schema] }), 5));
const PARAMETER: Message = {
  name: [1, text],
  in: [2, text],
  description: [3, text],
  required: [4, flag],
  schema: [10, schema],
};
const parameter: Write = orReference(message(() => PARAMETER, 14));
const BODY: Message = { description: [1, text], content: [2, content], required: [3, flag] };
const RESPONSE: Message = { description: [1, text], content: [3, content] };
const response: Write = orReference(message(() => RESPONSE, 5));
const responses: Write = (writer, number, value) =>
  writer.message(number, () => {
    const { default: otherwise, ...others } = value as Node;
    if (otherwise !== undefined) response(writer, 1, otherwise);
    for (const [code, one] of Object.entries(others))
      writer.message(2, () => {
        text(writer, 1, code);
        response(writer, 2, one);
      });
  });
const OPERATION: Message = {
  tags: [1, each(text)],
  summary: [2, text],
  description: [3, text],
  operationId: [5, text],
  parameters: [6, each(parameter)],
  requestBody: [7, orReference(message(() => BODY, 4))],
  responses: [8, responses],
  deprecated: [10, flag],
};
const operation: Write = message(() => OPERATION, 13);
const PATH_ITEM: Message = {
  summary: [2, text],
  description: [3, text],
  get: [4, operation],
  put: [5, operation],
  post: [6, operation],
  delete: [7, operation],
  options: [8, operation],
  head: [9, operation],
  patch: [10, operation],
  trace: [11, operation],
  parameters: [13, each(parameter)],
};
const SECURITY_SCHEME: Message = { type: [1, text], description: [2, text], name: [3, text], in: [4, text] };
const DOCUMENT: Message = {
  openapi: [1, text],
  info: [2, message(() => ({ title: [1, text], description: [2, text], version: [6, text] }))],
  paths: [4, named(message(() => PATH_ITEM, 14))],
  components: [
    5,
    message(() => ({
      schemas: [1, named(schema)],
      securitySchemes: [7, named(orReference(message(() => SECURITY_SCHEME, 9)))],
    })),
  ],
};

/** `document` is of OpenAPI 3. */
export function gnosticDocumentV3(document: object): Uint8Array {
  const writer = new WireWriter();
  writeFields(writer, DOCUMENT, { value: document as Node });
  return writer.finish();
}
