/** The one OpenAPI 2 (Swagger) document of all groups and versions. */
import type { Endpoint, Operation } from './endpoints.ts';
import { type Info, mediaTypes } from './document-v3.ts';
import { PATH_PARAMETERS, type Parameter } from './parameters.ts';
import { refTo, type Schema } from './type-schema.ts';

/** As far as it is read again, by the protobuf form. */
export interface DocumentV2 {
  swagger: '2.0';
  info: { title: string; version: string };
  paths: Record<string, Record<string, unknown>>;
  definitions: Record<string, Schema>;
  securityDefinitions: Record<string, Record<string, string>>;
  security: Record<string, string[]>[];
}

export function documentV2(
  endpoints: readonly Endpoint[],
  definitions: ReadonlyMap<string, Schema>,
  info: Info,
): DocumentV2 {
  return {
    swagger: '2.0',
    info: { title: 'Kubernetes', version: info.version },
    paths: Object.fromEntries(endpoints.map((endpoint) => [endpoint.path, pathItem(endpoint)])),
    definitions: Object.fromEntries(definitions),
    securityDefinitions: {
      BearerToken: { description: 'Bearer Token authentication', type: 'apiKey', name: 'authorization', in: 'header' },
    },
    security: [{ BearerToken: [] }],
  };
}

function pathItem({ operations, pathParameters }: Endpoint): Record<string, unknown> {
  const parameters = pathParameters.map((name) => ({
    uniqueItems: true,
    type: 'string',
    description: PATH_PARAMETERS[name],
    name,
    in: 'path',
    required: true,
  }));
  return {
    ...Object.fromEntries(operations.map((operation) => [operation.method, operationV2(operation)])),
    ...(parameters.length > 0 && { parameters }),
  };
}

function operationV2(operation: Operation): object {
  const { tag, description, operationId, query, body, action, groupVersionKind, answer, isBuiltIn, isWatchable } =
    operation;
  const parameters = [...(body ? [bodyParameter(body)] : []), ...query.map(queryParameter)];
  return {
    description,
    consumes: body?.mediaTypes ?? ['*/*'],
    produces: mediaTypes(answer, isBuiltIn, isWatchable),
    schemes: ['https'],
    tags: [tag],
    operationId,
    ...(parameters.length > 0 && { parameters }),
    responses: responsesOf(operation),
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': groupVersionKind,
  };
}

const bodyParameter = ({ definition, required }: NonNullable<Operation['body']>): object => ({
  name: 'body',
  in: 'body',
  ...(required && { required: true }),
  schema: { $ref: refTo(definition, 2) },
});

const queryParameter = ({ name, type, description }: Parameter): object => ({
  ...(type === 'array' ? { type, items: { type: 'string' } } : { uniqueItems: true, type }),
  ...(description && { description }),
  name,
  in: 'query',
});

const REASONS: Readonly<Record<number, string>> = { 200: 'OK', 201: 'Created', 202: 'Accepted' };

function responsesOf({ answer, answerCodes }: Operation): object {
  const schema = answer ? { $ref: refTo(answer, 2) } : { type: 'string' };
  return {
    ...Object.fromEntries(answerCodes.map((code) => [code, { description: REASONS[code], schema }])),
    401: { description: 'Unauthorized' },
  };
}
