/** Server-side apply as the stock kubectl does it: making, changing, conflicts, force, and going over from its own apply. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ManagedFieldsEntry } from '#api/machinery/object.ts';
import { type HttpsApiServer, startHttpsApiServer } from '../integration/https-api-server.ts';

let server: HttpsApiServer;
let folder: string;

beforeAll(async () => {
  server = await startHttpsApiServer();
  folder = mkdtempSync(join(tmpdir(), 'apply-'));
});

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const deployment = (name: string, { replicas, image = 'web:1' }: { replicas?: number; image?: string }): string => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}}
spec:
  ${replicas === undefined ? '' : `replicas: ${replicas}`}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "${image}", ports: [{containerPort: 80}]}]}
`;

function file(text: string): string {
  const path = join(folder, 'object.yaml');
  writeFileSync(path, text);
  return path;
}

const kubectl = async (...args: string[]): Promise<string> => (await server.kubectl(args)).stdout.trim();
const apply = (text: string, ...flags: string[]) => kubectl('apply', '--server-side', '-f', file(text), ...flags);
const refusal = (running: Promise<string>): Promise<string> =>
  running.then(
    () => 'it was accepted',
    (error: { stderr?: string }) => error.stderr ?? String(error),
  );

async function managers(name: string): Promise<Map<string, ManagedFieldsEntry>> {
  const text = await kubectl('get', 'deployment', name, '--show-managed-fields', '-o', 'json');
  const { metadata } = JSON.parse(text) as { metadata: { managedFields: ManagedFieldsEntry[] } };
  return new Map(metadata.managedFields.map((entry) => [`${entry.manager} ${entry.operation}`, entry]));
}

test('apply makes the object, changes it, and shows whose fields they are', async () => {
  expect(await apply(deployment('made', { replicas: 1 }))).toBe('deployment.apps/made serverside-applied');
  expect(await apply(deployment('made', { replicas: 1 }))).toBe('deployment.apps/made serverside-applied');
  const entry = (await managers('made')).get('kubectl Apply');
  expect(entry).toMatchObject({ apiVersion: 'apps/v1', fieldsType: 'FieldsV1', time: expect.any(String) });
  expect(entry?.fieldsV1).toEqual({
    'f:spec': {
      'f:replicas': {},
      'f:selector': {},
      'f:template': {
        'f:metadata': { 'f:labels': { 'f:app': {} } },
        'f:spec': {
          'f:containers': {
            'k:{"name":"web"}': {
              '.': {},
              'f:image': {},
              'f:name': {},
              'f:ports': { 'k:{"containerPort":80,"protocol":"TCP"}': { '.': {}, 'f:containerPort': {} } },
            },
          },
        },
      },
    },
  });
  expect(await kubectl('get', 'deployment', 'made', '-o', 'json')).not.toContain('managedFields');
});

test('applying the same again is no write', async () => {
  await apply(deployment('same', { replicas: 1 }));
  const version = () => kubectl('get', 'deployment', 'same', '-o', 'jsonpath={.metadata.resourceVersion}');
  const before = await version();
  await apply(deployment('same', { replicas: 1 }));
  expect(await version()).toBe(before);
});

test('what another client set is refused, until it is forced', async () => {
  await apply(deployment('scaled', { replicas: 1 }));
  await kubectl('patch', 'deployment', 'scaled', '--type=merge', '-p', '{"spec":{"replicas":3}}');
  const refused = await refusal(apply(deployment('scaled', { replicas: 2 })));
  expect(refused).toContain(
    'Apply failed with 1 conflict: conflict with "kubectl-patch" using apps/v1: .spec.replicas',
  );
  await apply(deployment('scaled', { replicas: 2 }), '--force-conflicts');
  expect(await kubectl('get', 'deployment', 'scaled', '-o', 'jsonpath={.spec.replicas}')).toBe('2');
  expect([...(await managers('scaled')).keys()]).toEqual(['kubectl Apply']);
});

test('scale is an account of its own', async () => {
  await apply(deployment('sized', {}));
  await kubectl('scale', 'deployment', 'sized', '--replicas=4');
  const entry = [...(await managers('sized')).values()].find(({ subresource }) => subresource === 'scale');
  expect(entry).toMatchObject({
    manager: expect.stringMatching(/^kubectl/),
    operation: 'Update',
    apiVersion: 'apps/v1',
    fieldsV1: { 'f:spec': { 'f:replicas': {} } },
  });
  await apply(deployment('sized', { image: 'web:2' }));
  expect(await kubectl('get', 'deployment', 'sized', '-o', 'jsonpath={.spec.replicas}')).toBe('4');
});

test('kubectl goes over from its own apply to that of the server', async () => {
  await kubectl('apply', '-f', file(deployment('moved', { replicas: 2 })));
  expect([...(await managers('moved')).keys()]).toEqual(['kubectl-client-side-apply Update']);
  await apply(deployment('moved', { replicas: 3, image: 'web:2' }));
  // The annotation of its own apply kubectl gives to a manager of its own.
  expect([...(await managers('moved')).keys()]).toEqual(['kubectl Apply', 'kubectl-last-applied Apply']);
  const path = 'jsonpath={.spec.replicas} {.spec.template.spec.containers[0].image}';
  expect(await kubectl('get', 'deployment', 'moved', '-o', path)).toBe('3 web:2');
});

test('a field that the type does not have is named', async () => {
  const bad = deployment('bad', {}).replace('selector:', 'colour: red\n  selector:');
  expect(await refusal(apply(bad, '--validate=false'))).toContain(
    'failed to create typed patch object (default/bad; apps/v1, Kind=Deployment): .spec.colour: field not declared in schema',
  );
});
