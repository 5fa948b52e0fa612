/** One OpenAPI 3 document per group and version. */
import type { Schema } from './type-schema.ts';
import type { Endpoint, Operation } from './endpoints.ts';
import { PATH_PARAMETERS, type Parameter } from './parameters.ts';
import { refTo } from './type-schema.ts';

export interface Info {
  /** `v1.36.0` */
  version: string;
}

export function documentV3(
  endpoints: readonly Endpoint[],
  definitions: ReadonlyMap<string, Schema>,
  info: Info,
): object {
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: info.version },
    paths: Object.fromEntries(endpoints.map((endpoint) => [endpoint.path, pathItem(endpoint)])),
    components: {
      schemas: Object.fromEntries(definitions),
      securitySchemes: {
        BearerToken: {
          description: 'Bearer Token authentication',
          type: 'apiKey',
          name: 'authorization',
          in: 'header',
        },
      },
    },
  };
}

function pathItem({ operations, pathParameters }: Endpoint): object {
  const parameters = pathParameters.map((name) => ({
    name,
    in: 'path',
    description: PATH_PARAMETERS[name],
    required: true,
    schema: { type: 'string', uniqueItems: true },
  }));
  return {
    ...Object.fromEntries(operations.map((operation) => [operation.method, operationV3(operation)])),
    ...(parameters.length > 0 && { parameters }),
  };
}

function operationV3(operation: Operation): object {
  const { tag, description, operationId, query, body, action, groupVersionKind } = operation;
  return {
    tags: [tag],
    description,
    operationId,
    ...(query.length > 0 && { parameters: query.map(queryParameter) }),
    ...(body && {
      requestBody: {
        ...(body.required && { required: true }),
        content: Object.fromEntries(
          body.mediaTypes.map((mediaType) => [mediaType, { schema: reference(body.definition) }]),
        ),
      },
    }),
    responses: responsesOf(operation),
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': groupVersionKind,
  };
}

function queryParameter({ name, type, description }: Parameter): object {
  const schema = type === 'array' ? { type, items: { type: 'string' } } : { type, uniqueItems: true };
  return { name, in: 'query', ...(description && { description }), schema };
}

const REASONS: Readonly<Record<number, string>> = { 200: 'OK', 201: 'Created', 202: 'Accepted' };

function responsesOf({ answer, answerCodes, isBuiltIn, isWatchable }: Operation): object {
  const content = Object.fromEntries(
    mediaTypes(answer, isBuiltIn, isWatchable).map((mediaType) => [
      mediaType,
      { schema: answer ? reference(answer) : { type: 'string' } },
    ]),
  );
  return {
    ...Object.fromEntries(answerCodes.map((code) => [code, { description: REASONS[code], content }])),
    401: { description: 'Unauthorized' },
  };
}

/** What an operation may answer with. */
export function mediaTypes(answer: string | undefined, isBuiltIn: boolean, isWatchable: boolean): string[] {
  if (!answer) return ['*/*'];
  return [
    'application/json',
    ...(isWatchable ? ['application/json;stream=watch'] : []),
    ...(isBuiltIn ? ['application/vnd.kubernetes.protobuf'] : []),
    ...(isBuiltIn && isWatchable ? ['application/vnd.kubernetes.protobuf;stream=watch'] : []),
    'application/yaml',
  ];
}

const reference = (definition: string): object => ({ $ref: refTo(definition, 3) });
