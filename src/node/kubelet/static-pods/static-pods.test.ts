import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { isReady } from '#api/core/v1/pod-conditions.ts';
import { DEFAULT_CONFIGURATION } from '#api/kubelet-config/kubelet-configuration.ts';
import { type Fixture, IMAGE, withKubelet } from '../../../../test/node/simulated-kubelet.ts';
import { BadManifest, podFromManifest } from './manifest.ts';

const manifest = (more = '') => `
apiVersion: v1
kind: Pod
metadata:
  name: web
  labels: { app: web }
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: main
      image: ${IMAGE}
${more}`;
const NAME = 'web-node-1';

async function withFolder(body: (fixture: Fixture, write: (text?: string) => Promise<void>) => Promise<void>) {
  const folder = mkdtempSync(join(tmpdir(), 'kedge-static-'));
  const file = join(folder, 'web.yaml');
  mkdirSync(join(folder, 'a-folder'));
  writeFileSync(file, manifest());
  const configuration = { ...DEFAULT_CONFIGURATION, staticPodPath: folder };
  try {
    await withKubelet({ kubelet: { configuration } }, (fixture) =>
      body(fixture, async (text) => {
        if (text === undefined) rmSync(file);
        else writeFileSync(file, text);
        await fixture.cluster.passes(21_000);
      }),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}
const starts = ({ runtime }: Fixture) => runtime.calls.filter((call) => call.startsWith('StartContainer')).length;

test('a file makes a pod that runs, and that the API shows with its status', () =>
  withFolder(async (fixture) => {
    await fixture.cluster.settles();
    const mirror = fixture.pod(NAME);
    const hash = mirror?.metadata.annotations?.['kubernetes.io/config.hash'];
    expect(isReady(mirror!)).toBe(true);
    expect(mirror?.metadata).toMatchObject({
      labels: { app: 'web' },
      annotations: { 'kubernetes.io/config.mirror': hash, 'kubernetes.io/config.source': 'file' },
      ownerReferences: [
        {
          apiVersion: 'v1',
          kind: 'Node',
          name: 'node-1',
          uid: fixture.cluster.get(Node, 'node-1')?.metadata.uid,
          controller: true,
        },
      ],
    });
    expect(mirror?.spec).toMatchObject({
      nodeName: 'node-1',
      tolerations: expect.arrayContaining([{ operator: 'Exists', effect: 'NoExecute' }]),
    });
    expect((await fixture.runtime.listPodSandboxes()).map(({ metadata }) => metadata.uid)).toEqual([hash]);
    expect(fixture.kubelet().pods.get(`default/${NAME}`)?.metadata.uid).toBe(hash);
  }));

test('what shows it in the API decides nothing: deleted, it is there again and the pod runs on', () =>
  withFolder(async (fixture) => {
    await fixture.cluster.settles();
    const before = fixture.pod(NAME)?.metadata.uid;
    for (const gracePeriodSeconds of [0, 30]) {
      await fixture.cluster.client.delete(Pod, { name: NAME, namespace: 'default' }, { gracePeriodSeconds });
      await fixture.cluster.settles();
      expect(fixture.pod(NAME)?.metadata.uid).not.toBe(before);
      expect(fixture.pod(NAME)?.metadata.deletionTimestamp).toBeUndefined();
      expect(isReady(fixture.pod(NAME)!)).toBe(true);
    }
    expect(starts(fixture)).toBe(1);
  }));

test('a changed file is a new pod after the old one has ended; a removed one leaves nothing', () =>
  withFolder(async (fixture, write) => {
    await fixture.cluster.settles();
    const before = fixture.pod(NAME)?.metadata.annotations?.['kubernetes.io/config.mirror'];
    await write(manifest('      env: [{ name: A, value: b }]\n'));
    const after = fixture.pod(NAME)?.metadata.annotations?.['kubernetes.io/config.mirror'];
    expect(after).not.toBe(before);
    expect(isReady(fixture.pod(NAME)!)).toBe(true);
    const order = fixture.runtime.calls.filter((call) => /^(Start|Stop)Container/.test(call));
    expect(order.map((call) => call.split(' ')[0])).toEqual(['StartContainer', 'StopContainer', 'StartContainer']);
    await write();
    expect(fixture.pod(NAME)).toBeUndefined();
    expect(await fixture.runtime.listPodSandboxes()).toEqual([]);
  }));

test('a file that became unreadable ends its pod, and a good one begins it again', () =>
  withFolder(async (fixture, write) => {
    await fixture.cluster.settles();
    await write('apiVersion: v1\nkind: Pod\nspec: [');
    expect(fixture.pod(NAME)).toBeUndefined();
    await write(manifest());
    expect(isReady(fixture.pod(NAME)!)).toBe(true);
  }));

test('a kubelet that begins again starts nothing twice, and knows when the pod began', () =>
  withFolder(async (fixture) => {
    await fixture.cluster.settles();
    const { startTime } = fixture.pod(NAME)?.status ?? {};
    await fixture.cluster.passes(60_000);
    await fixture.restart();
    await fixture.cluster.passes(30_000);
    expect(starts(fixture)).toBe(1);
    expect(fixture.pod(NAME)?.status?.startTime).toBe(startTime);
    expect(isReady(fixture.pod(NAME)!)).toBe(true);
  }));

const place = { path: '/etc/pods/web.yaml', nodeName: 'node-1', nowMs: 0 };

test('the same file on another node, or under another name, is another pod', () => {
  const uidOf = (more: object) => podFromManifest(manifest(), { ...place, ...more }).metadata.uid;
  expect(uidOf({})).toBe(uidOf({ nowMs: 5 }));
  expect(new Set([uidOf({}), uidOf({ path: '/etc/pods/other.yaml' }), uidOf({ nodeName: 'node-2' })]).size).toBe(3);
});

for (const [text, why] of [
  ['kind: ConfigMap\napiVersion: v1', /missing or not a Pod/],
  ['', /missing or not a Pod/],
  ['apiVersion: v1\nkind: Pod\nmetadata: { name: x }\nspec: {}', /spec.containers/],
  [manifest().replace('name: web', 'name: Web'), /metadata.name/],
] as const)
  test(`refused: ${JSON.stringify(text.slice(0, 60))}`, () => {
    expect(() => podFromManifest(text, place)).toThrow(BadManifest);
    expect(() => podFromManifest(text, place)).toThrow(why);
  });
