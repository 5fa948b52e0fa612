/** `--example web`: its images from this machine's files, its objects, and the proof that it answers. */
import { readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import type { KubeObject } from '#api/machinery/object.ts';
import type { Transport } from '#client/transport.ts';
import { BlobStore } from '#node/images/blob-store.ts';
import { folderEntries } from '#node/images/folder.ts';
import { assembleImage, type Image, packImages } from '#node/images/image.ts';
import { makeLayer } from '#node/images/layer.ts';
import { NODE_PATH, nodeRuntimeEntries } from '#node/images/node-runtime.ts';
import { cacheFolder } from '#node/machine/cluster-dir.ts';
import type { CliContext } from './context.ts';
import type { ControlClient } from './control-client.ts';
import type { NodeStatus } from './control-protocol.ts';
import { createMissing } from './create-missing.ts';
import { listObjects, until, type WaitOptions } from './local-api.ts';

const VERSIONS = ['1', '2'];
const NODE_PORT = 30080;
const HTTP_TIMEOUT_MS = 2_000;

export const exampleFolder = ({ projectDir }: CliContext): string => join(projectDir, 'examples', 'web');

/** `kedge.local/hello:1` and `:2`, which differ in what they answer. Taken from the cache when nothing changed. */
export async function exampleImages(context: CliContext): Promise<Image[]> {
  const store = new BlobStore(join(cacheFolder(context.env), 'images'), context.clock);
  const [runtime, server] = await Promise.all([
    nodeRuntimeEntries().then((entries) => makeLayer(store, entries)),
    folderEntries(exampleFolder(context), '/app').then((entries) => makeLayer(store, entries)),
  ]);
  return VERSIONS.map((version) =>
    assembleImage(`kedge.local/hello:${version}`, [runtime, server], {
      cmd: [NODE_PATH, '/app/server.mjs'],
      env: { VERSION: version },
      workingDir: '/app',
      user: '65534:65534',
      exposedPorts: ['8080/tcp'],
    }),
  );
}

/** Into the nodes that lack them. @returns whether anything was to be done. */
export async function loadImages(control: ControlClient, images: readonly Image[]): Promise<boolean> {
  const nodes = await control.images();
  const isThere = (image: Image) =>
    nodes.every((node) => node.images.some(({ name, digest }) => name === image.name && digest === image.digest));
  if (images.every(isThere)) return false;
  await control.importImage(packImages(images));
  return true;
}

export const createExample = async (context: CliContext, api: Transport): Promise<void> => {
  await createMissing(api, await readFile(join(exampleFolder(context), 'manifest.yaml'), 'utf8'));
};

interface DeploymentObject extends KubeObject {
  spec: { replicas: number };
  status?: { observedGeneration?: number; availableReplicas?: number; updatedReplicas?: number };
}

interface ContainerState {
  waiting?: { reason?: string; message?: string };
  running?: { startedAt?: string };
}

interface PodObject extends KubeObject {
  spec: { nodeName?: string };
  status?: { phase?: string; containerStatuses?: { state?: ContainerState }[] };
}

/**
 * Until all replicas are available, and that is not hearsay from before the nodes were stopped. The error tells what the pods
 * wait for.
 */
export async function exampleAvailable(
  api: Transport,
  nodes: readonly NodeStatus[],
  options: WaitOptions,
): Promise<number> {
  const look = async () => ((await allIsFresh(api, nodes)) ? availableReplicas(api) : undefined);
  try {
    return await until('the example is available', look, options);
  } catch (error) {
    if (error instanceof Error) error.message += await waitingReasons(api);
    throw error;
  }
}

/** No container is said to run since before its node was made. */
async function allIsFresh(api: Transport, nodes: readonly NodeStatus[]): Promise<boolean> {
  const madeAtMs = new Map(nodes.map((node) => [node.name, node.madeAtMs ?? 0]));
  return (await examplePods(api)).every(({ spec, status }) => {
    const floorMs = Math.floor((madeAtMs.get(spec.nodeName ?? '') ?? 0) / 1000) * 1000; // the API tells whole seconds
    return (status?.containerStatuses ?? []).every(
      ({ state }) => Date.parse(state?.running?.startedAt ?? '') >= floorMs || !state?.running,
    );
  });
}

const examplePods = (api: Transport): Promise<PodObject[]> =>
  listObjects<PodObject>(api, '/api/v1/namespaces/default/pods?labelSelector=app%3DMyApp');

async function availableReplicas(api: Transport): Promise<number | undefined> {
  const path = '/apis/apps/v1/namespaces/default/deployments/myapp';
  const { spec, status, metadata } = (await api.request({ method: 'GET', path })).object as DeploymentObject;
  const isObserved = (status?.observedGeneration ?? 0) >= (metadata.generation ?? 1);
  return isObserved && (status?.availableReplicas ?? 0) >= spec.replicas ? spec.replicas : undefined;
}

async function waitingReasons(api: Transport): Promise<string> {
  const pods = await examplePods(api);
  const lines = pods.map(({ metadata, status }) => {
    const waiting = status?.containerStatuses?.map(({ state }) => state?.waiting).find(Boolean);
    return `  pod ${metadata.name}: ${status?.phase ?? 'Pending'} ${waiting?.reason ?? ''} ${waiting?.message ?? ''}`.trimEnd();
  });
  return lines.length > 0 ? `\n${lines.join('\n')}` : '\n  (there are no pods)';
}

export const exampleUrl = (address: string): string => `http://${address}:${NODE_PORT}`;

/** Until the URL answers 200 to a real request. */
export const urlAnswers = (url: string, options: WaitOptions): Promise<true> =>
  until(`${url} answers`, async () => ((await statusOf(url)) === 200 ? true : undefined), options);

/** undefined: no answer. */
function statusOf(url: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const outgoing = request(url, { agent: false, timeout: HTTP_TIMEOUT_MS }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    });
    outgoing.on('timeout', () => outgoing.destroy());
    outgoing.on('error', () => resolve(undefined)); // not yet
    outgoing.end();
  });
}
