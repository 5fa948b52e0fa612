/** POST /checkpoint/{namespace}/{pod}/{container}: the state of a container as an archive on its node. Source: "Kubelet Checkpoint API". */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { timestampOf } from '#api/machinery/timestamp.ts';
import type { Clock } from '#base/clock.ts';
import { RuntimeError } from '#node/runtime/runtime-error.ts';
import type { Kubelet } from '../kubelet.ts';
import { containerNamed } from '../pod-containers.ts';
import { containerNameOf } from '../runtime-pods.ts';
import { HttpError } from './http-error.ts';
import { findPod } from './pod-lookup.ts';

export interface CheckpointRequest {
  namespace: string;
  pod: string;
  container: string;
  query: URLSearchParams;
}

/** @returns the paths of the archives. @throws HttpError; a runtime that knows nothing of it is a 500, as upstream's */
export async function checkpointContainer(
  { namespace, pod, container, query }: CheckpointRequest,
  { kubelet, clock }: { kubelet: Kubelet; clock: Clock },
): Promise<{ items: string[] }> {
  const found = await findPod(kubelet, namespace, pod);
  if (!containerNamed(found.pod, container)) throw new HttpError(404, `container ${container} does not exist`);
  const timeout = query.getAll('timeout').at(-1);
  if (timeout !== undefined && !/^[+-]?\d{1,18}$/.test(timeout))
    throw new HttpError(404, 'cannot parse value of timeout parameter');
  const failed = (why: string) =>
    new HttpError(500, `checkpointing of ${namespace}/${pod}/${container} failed (${why})`);
  const running = found.now.containers.find(
    (status) => containerNameOf(status) === container && status.state === 'CONTAINER_RUNNING',
  );
  if (!running) throw failed(`container ${container} not found`);
  const folder = join(kubelet.folders.root, 'checkpoints');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const name = `checkpoint-${pod}_${namespace}-${container}-${timestampOf(clock.now())}.tar`;
  const location = join(folder, name);
  try {
    await kubelet.runtime.checkpointContainer(running.id, location, Number(timeout ?? 0));
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
    throw failed(`rpc error: code = ${error.code} desc = ${error.message}`);
  }
  return { items: [location] };
}
