import { expect, test } from 'vitest';
import { documentOfVersion2 } from './version-2-to-3.ts';

test('bodies, parameters, answers and references of version 2 stand where version 3 has them', () => {
  const spec = {
    paths: {
      '/things/{name}': {
        put: {
          operationId: 'put',
          consumes: ['application/json'],
          schemes: ['https'],
          parameters: [
            { name: 'body', in: 'body', required: true, schema: { $ref: '#/definitions/Thing' } },
            { name: 'dryRun', in: 'query', type: 'string', uniqueItems: true, description: 'Try.' },
          ],
          responses: {
            200: { description: 'OK', schema: { $ref: '#/definitions/Thing' } },
            401: { description: 'No' },
          },
          'x-kubernetes-action': 'put',
        },
        parameters: [{ name: 'name', in: 'path', required: true, type: 'string' }],
      },
    },
    definitions: {
      Thing: {
        type: 'object',
        properties: {
          meta: { description: 'Its metadata.', $ref: '#/definitions/Meta' },
          parts: { type: 'array', items: { $ref: '#/definitions/Meta' } },
        },
        'x-kubernetes-group-version-kind': [{ group: 'g', version: 'v1', kind: 'Thing' }],
      },
    },
  };
  const thing = { $ref: '#/components/schemas/Thing' };
  const meta = { $ref: '#/components/schemas/Meta' };
  expect(documentOfVersion2(spec, { title: 'T', version: 'v1' })).toEqual({
    openapi: '3.0.0',
    info: { title: 'T', version: 'v1' },
    paths: {
      '/things/{name}': {
        put: {
          operationId: 'put',
          parameters: [
            { name: 'dryRun', in: 'query', description: 'Try.', schema: { type: 'string', uniqueItems: true } },
          ],
          requestBody: { content: { 'application/json': { schema: thing } }, required: true },
          responses: { 200: { description: 'OK', content: { '*/*': { schema: thing } } }, 401: { description: 'No' } },
          'x-kubernetes-action': 'put',
        },
        parameters: [{ name: 'name', in: 'path', required: true, schema: { type: 'string' } }],
      },
    },
    components: {
      schemas: {
        Thing: {
          type: 'object',
          properties: { meta: { description: 'Its metadata.', allOf: [meta] }, parts: { type: 'array', items: meta } },
          'x-kubernetes-group-version-kind': [{ group: 'g', version: 'v1', kind: 'Thing' }],
        },
      },
    },
  });
});
