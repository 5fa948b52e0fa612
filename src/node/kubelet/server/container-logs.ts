/** GET /containerLogs/{namespace}/{pod}/{container} */

import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Pod } from '#api/generated/schema.ts';
import type { Clock } from '#base/clock.ts';
import type { ContainerStatus } from '#node/runtime/container.ts';
import type { Kubelet } from '../kubelet.ts';
import { HttpError } from './http-error.ts';
import { type LogOptions, logOptionsOf } from './log-options.ts';
import { readLog } from './log-reader.ts';
import { findContainer, findPod } from './pod-lookup.ts';

export interface LogRequest {
  namespace: string;
  pod: string;
  container: string;
  query: URLSearchParams;
}

/** @throws HttpError before anything is sent */
export async function serveContainerLogs(
  request: LogRequest,
  response: ServerResponse,
  { kubelet, clock }: { kubelet: Kubelet; clock: Clock },
): Promise<void> {
  const options = logOptionsOf(request.query, clock.now());
  const found = await findPod(kubelet, request.namespace, request.pod);
  const { runs } = findContainer(found, request.container);
  const run = chooseRun(found.pod, runs, { name: request.container, previous: options.previous, kubelet });
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  response.writeHead(200, { 'Content-Type': 'text/plain' });
  response.flushHeaders();
  const isAlive = async () => (await kubelet.runtime.containerStatus(run.id))?.state === 'CONTAINER_RUNNING';
  await send(response, { path: run.logPath, isAlive, clock, signal: gone.signal }, options);
}

async function send(
  response: ServerResponse,
  source: Parameters<typeof readLog>[0],
  options: LogOptions,
): Promise<void> {
  for await (const piece of readLog(source, options)) {
    if (source.signal.aborted) return;
    // A slow client holds up its own reading only.
    if (!response.write(piece)) await Promise.race([once(response, 'drain'), once(response, 'close')]);
  }
  response.end();
}

function chooseRun(
  pod: Pod,
  runs: ContainerStatus[],
  { name, previous, kubelet }: { name: string; previous: boolean; kubelet: Kubelet },
): ContainerStatus {
  const where = `container "${name}" in pod "${pod.metadata.name}"`;
  const ended = runs.filter(({ state }) => state === 'CONTAINER_EXITED');
  const isAlive = runs[0]?.state === 'CONTAINER_RUNNING';
  if (previous) {
    const last = isAlive ? ended[0] : (ended[1] ?? (isRestarting(pod, name, kubelet) ? ended[0] : undefined));
    if (!last) throw new HttpError(400, `previous terminated ${where} not found`);
    return last;
  }
  const newest = runs.find(({ state }) => state !== 'CONTAINER_CREATED');
  if (newest) return newest;
  const waiting = stateOf(pod, name, kubelet)?.waiting;
  if (!waiting) throw new HttpError(400, `${where} is not available`);
  const { reason = '', message } = waiting;
  if (reason === 'ErrImagePull' || reason === 'ImagePullBackOff')
    throw new HttpError(400, `${where} is waiting to start: ${message ?? reason}`);
  throw new HttpError(400, `${where} is waiting to start: ${reason}`);
}

const isRestarting = (pod: Pod, name: string, kubelet: Kubelet): boolean =>
  stateOf(pod, name, kubelet)?.waiting !== undefined;

function stateOf(pod: Pod, name: string, kubelet: Kubelet) {
  const {
    initContainerStatuses = [],
    containerStatuses = [],
    ephemeralContainerStatuses = [],
  } = kubelet.statusOf(pod) ?? {};
  return [...containerStatuses, ...initContainerStatuses, ...ephemeralContainerStatuses].find(
    (status) => status.name === name,
  )?.state;
}
