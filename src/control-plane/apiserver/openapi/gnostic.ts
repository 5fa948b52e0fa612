/**
 * The OpenAPI 2 document as protobuf, which kubectl asks for. The messages are gnostic's, as far as Kubernetes' documents
 * use them. Source: google/gnostic-models, openapiv2/OpenAPIv2.proto.
 */
import { WireWriter } from '#api/machinery/protobuf-wire.ts';
import type { DocumentV2 } from './document-v2.ts';
import {
  any,
  double,
  each,
  flag,
  type Message,
  message,
  type Node,
  named,
  stringList,
  text,
  type Write,
  whole,
  wrapped,
  writeFields,
} from './gnostic-writer.ts';

const schema: Write = message(() => SCHEMA, 31);
const SCHEMA: Message = {
  $ref: [1, text],
  format: [2, text],
  title: [3, text],
  description: [4, text],
  default: [5, any],
  multipleOf: [6, double],
  maximum: [7, double],
  exclusiveMaximum: [8, flag],
  minimum: [9, double],
  exclusiveMinimum: [10, flag],
  maxLength: [11, whole],
  minLength: [12, whole],
  pattern: [13, text],
  maxItems: [14, whole],
  minItems: [15, whole],
  uniqueItems: [16, flag],
  maxProperties: [17, whole],
  minProperties: [18, whole],
  required: [19, each(text)],
  enum: [20, each(any)],
  additionalProperties: [
    21,
    (writer, number, value) =>
      writer.message(number, () => (typeof value === 'boolean' ? flag(writer, 2, value) : schema(writer, 1, value))),
  ],
  type: [22, stringList],
  items: [23, wrapped(1, schema)],
  allOf: [24, each(schema)],
  properties: [25, named(schema)],
};

const ITEMS: Message = { type: [1, text], format: [2, text] };
const BODY: Message = {
  description: [1, text],
  name: [2, text],
  in: [3, text],
  required: [4, flag],
  schema: [5, schema],
};
const QUERY: Message = {
  required: [1, flag],
  in: [2, text],
  description: [3, text],
  name: [4, text],
  type: [6, text],
  format: [7, text],
  items: [8, message(() => ITEMS)],
  uniqueItems: [20, flag],
};
const PATH: Message = {
  required: [1, flag],
  in: [2, text],
  description: [3, text],
  name: [4, text],
  type: [5, text],
  format: [6, text],
  uniqueItems: [19, flag],
};

// ParametersItem { Parameter { BodyParameter | NonBodyParameter { … } } }
const parameter: Write = (writer, number, value) => {
  const place = (value as Node)['in'];
  const inner =
    place === 'body'
      ? wrapped(
          1,
          message(() => BODY),
        )
      : wrapped(
          2,
          place === 'path'
            ? wrapped(
                4,
                message(() => PATH),
              )
            : wrapped(
                3,
                message(() => QUERY),
              ),
        );
  writer.message(number, () => inner(writer, 1, value));
};

const RESPONSE: Message = { description: [1, text], schema: [2, wrapped(1, schema)] };
const OPERATION: Message = {
  tags: [1, each(text)],
  summary: [2, text],
  description: [3, text],
  operationId: [5, text],
  produces: [6, each(text)],
  consumes: [7, each(text)],
  parameters: [8, each(parameter)],
  responses: [
    9,
    named(
      wrapped(
        1,
        message(() => RESPONSE),
      ),
    ),
  ],
  schemes: [10, each(text)],
};
const operation: Write = message(() => OPERATION, 13);
const PATH_ITEM: Message = {
  get: [2, operation],
  put: [3, operation],
  post: [4, operation],
  delete: [5, operation],
  patch: [8, operation],
  parameters: [9, each(parameter)],
};
const API_KEY: Message = { type: [1, text], name: [2, text], in: [3, text], description: [4, text] };
const DOCUMENT: Message = {
  swagger: [1, text],
  info: [2, message(() => ({ title: [1, text], version: [2, text] }))],
  paths: [
    8,
    named(
      message(() => PATH_ITEM, 10),
      2,
    ),
  ],
  definitions: [9, named(schema)],
  security: [12, each(named(stringList))],
  securityDefinitions: [
    13,
    named(
      wrapped(
        2,
        message(() => API_KEY),
      ),
    ),
  ],
};

export function gnosticDocument(document: DocumentV2): Uint8Array {
  const writer = new WireWriter();
  writeFields(writer, DOCUMENT, { value: document as unknown as Node });
  return writer.finish();
}
