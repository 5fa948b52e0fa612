/**
 * A document of OpenAPI 2 as one of OpenAPI 3, for other API servers that have only the former. Pure. Source: kube-openapi,
 * openapiconv.ConvertV2ToV3.
 */
import type { Spec } from './remote-specs.ts';

type Node = Record<string, unknown>;

const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace'];
const ANY_TYPE = ['*/*'];
/** Of a parameter itself; all else describes its value. */
const OF_PARAMETER = new Set(['name', 'in', 'description', 'required']);

export function documentOfVersion2({ paths, definitions }: Spec, info: { title: string; version: string }): object {
  return {
    openapi: '3.0.0',
    info,
    paths: mapped(paths, pathItem),
    components: { schemas: mapped(definitions, schema) },
  };
}

const mapped = (all: object, convert: (value: Node) => unknown): Node =>
  Object.fromEntries(Object.entries(all).map(([name, value]) => [name, convert(value as Node)]));

function pathItem(item: Node): Node {
  const converted: Node = {};
  for (const [key, value] of Object.entries(item)) {
    if (METHODS.includes(key)) converted[key] = operation(value as Node);
    else if (key === 'parameters') converted[key] = parametersOf(value).map(parameter);
    else converted[key] = value;
  }
  return converted;
}

function operation(given: Node): Node {
  const { consumes, produces, schemes: _, parameters, responses, ...others } = given;
  const all = parametersOf(parameters);
  const body = all.find((one) => one['in'] === 'body');
  const plain = all.filter((one) => one !== body).map(parameter);
  return {
    ...others,
    ...(plain.length > 0 && { parameters: plain }),
    ...(body && {
      requestBody: {
        ...(body['description'] !== undefined && { description: body['description'] }),
        content: contentOf(texts(consumes), body['schema'] as Node),
        ...(body['required'] === true && { required: true }),
      },
    }),
    responses: mapped((responses ?? {}) as Node, (response) => {
      const { schema: shape, ...rest } = response;
      return shape ? { ...rest, content: contentOf(texts(produces), shape as Node) } : rest;
    }),
  };
}

function parameter(given: Node): Node {
  const own = Object.entries(given).filter(([key]) => OF_PARAMETER.has(key));
  const ofValue = Object.entries(given).filter(([key]) => !OF_PARAMETER.has(key) && key !== '$ref');
  return { ...Object.fromEntries(own), schema: schema(Object.fromEntries(ofValue)) };
}

const contentOf = (mediaTypes: readonly string[], shape: Node): Node =>
  Object.fromEntries(mediaTypes.map((mediaType) => [mediaType, { schema: schema(shape) }]));

/** Nothing may stand beside a reference, so it moves into an `allOf`. */
function schema(given: Node): Node {
  const converted: Node = {};
  for (const [key, value] of Object.entries(given)) {
    if (key === '$ref') continue;
    if (key === 'properties') converted[key] = mapped(value as Node, schema);
    else if (Array.isArray(value) && key === 'allOf') converted[key] = value.map((one) => schema(one as Node));
    else if (isNode(value) && (key === 'items' || key === 'additionalProperties')) converted[key] = schema(value);
    else converted[key] = value;
  }
  const { $ref } = given;
  if (typeof $ref !== 'string') return converted;
  const reference = { $ref: $ref.replace('#/definitions/', '#/components/schemas/') };
  return Object.keys(converted).length === 0 ? reference : { ...converted, allOf: [reference] };
}

const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null && !Array.isArray(value);
const parametersOf = (value: unknown): Node[] => (Array.isArray(value) ? value.filter(isNode) : []);
const texts = (value: unknown): readonly string[] =>
  Array.isArray(value) && value.length > 0 ? (value as string[]) : ANY_TYPE;
