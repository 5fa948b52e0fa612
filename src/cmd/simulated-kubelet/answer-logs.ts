/** GET /containerLogs/{namespace}/{pod}/{container}: what the data says that the containers have written. */
import type { ServerResponse } from 'node:http';
import type { Pod } from '#api/generated/schema.ts';
import { HttpError } from '#node/kubelet/server/http-error.ts';
import { type LogOptions, logOptionsOf } from '#node/kubelet/server/log-options.ts';
import { behaviourOf } from '#node/simulated/pod-behaviour.ts';
import { type OnNode, podOn } from './on-node.ts';

export interface LogRequest {
  namespace: string;
  pod: string;
  container: string;
  query: URLSearchParams;
}

/** @throws HttpError before anything is sent */
export async function answerLogs(request: LogRequest, response: ServerResponse, node: OnNode): Promise<void> {
  const options = logOptionsOf(request.query, node.clock.now());
  const pod = podOn(node, request.namespace, request.pod);
  const startedAt = startOf(pod, request.container, options);
  const { logs = '' } = behaviourOf(pod, node.member.rules);
  response.writeHead(200, { 'Content-Type': 'text/plain' });
  response.flushHeaders();
  response.write(chosen(logs, startedAt, options));
  if (options.follow && !options.previous) await untilItEnds(pod, response, node);
  response.end();
}

/** When the run began whose log is asked for. */
function startOf(pod: Pod, name: string, { previous }: LogOptions): string {
  const status = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])].find(
    (one) => one.name === name,
  );
  const where = `container "${name}" in pod "${pod.metadata.name}"`;
  const { state, lastState } = status ?? {};
  if (previous) {
    const { startedAt } = lastState?.terminated ?? {};
    if (!startedAt) throw new HttpError(400, `previous terminated ${where} not found`);
    return startedAt;
  }
  const run = state?.running ?? state?.terminated ?? lastState?.terminated;
  if (run?.startedAt) return run.startedAt;
  const { reason = 'ContainerCreating', message } = state?.waiting ?? {};
  const isPull = reason === 'ErrImagePull' || reason === 'ImagePullBackOff';
  throw new HttpError(400, `${where} is waiting to start: ${(isPull && message) || reason}`);
}

/** All of it was written when the container started, to its stdout. */
function chosen(logs: string, startedAt: string, options: LogOptions): string {
  const { sinceMs, streams, tailLines, timestamps, limitBytes } = options;
  if (!logs || !streams.has('stdout') || (sinceMs !== undefined && Date.parse(startedAt) < sinceMs)) return '';
  let lines = logs.replace(/\n$/, '').split('\n');
  if (tailLines !== undefined) lines = lines.slice(Math.max(0, lines.length - tailLines));
  const stamp = timestamps ? `${startedAt.replace('Z', '.000000000Z')} ` : '';
  const text = lines.map((line) => `${stamp}${line}\n`).join('');
  return limitBytes === undefined ? text : Buffer.from(text).subarray(0, limitBytes).toString();
}

function untilItEnds(pod: Pod, response: ServerResponse, { pods }: OnNode): Promise<void> {
  const { namespace, name, uid } = pod.metadata;
  const key = `${namespace}/${name}`;
  const isOver = () => {
    const now = pods.get(key);
    return now?.metadata.uid !== uid || now.status?.phase !== 'Running';
  };
  return new Promise((resolve) => {
    const stop = pods.onChange((change) => {
      if (change.key === key && isOver()) done();
    });
    const done = () => {
      stop();
      resolve();
    };
    response.once('close', done);
    if (isOver()) done();
  });
}
