/** The kubelet's ordinary paths. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '#base/clock.ts';
import { DriverFailed } from '#node/runtime/csi/node-driver.ts';
import type { Kubelet } from '../kubelet.ts';
import { cadvisorMetrics } from './cadvisor-metrics.ts';
import { checkpointContainer } from './checkpoint.ts';
import { serveContainerLogs } from './container-logs.ts';
import { HttpError } from './http-error.ts';
import { kubeletMetrics, probeMetrics, resourceMetrics } from './metrics.ts';
import { type ReadNetwork, serveNetworkFacts } from './network-facts.ts';
import { serveNodeLogs } from './node-logs.ts';
import { findPod, findRunning } from './pod-lookup.ts';
import { runningPods } from './running-pods.ts';
import type { Stats } from './stats.ts';
import { METRICS_TYPE } from './text-format.ts';

export interface RouteServices {
  kubelet: Kubelet;
  clock: Clock;
  stats: Stats;
  machine: { cpus: number; memoryBytes: number };
  readNetwork: ReadNetwork | undefined;
}

export interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
  url: URL;
}

export interface Route {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  path: RegExp;
  serve(exchange: Exchange, services: RouteServices): Promise<void>;
}

/** The runtime's containers must have been seen within this, or the kubelet is not healthy. Upstream's relist threshold. */
const STALE_MS = 180_000;

export const routes: readonly Route[] = [
  {
    method: 'GET',
    path: /^\/healthz(\/ping|\/log|\/syncloop)?$/,
    async serve({ response }, { kubelet, clock }) {
      const seen = kubelet.lastRelistMs();
      if (seen === undefined || clock.monotonicMs() - seen > STALE_MS)
        throw new HttpError(500, 'healthz check failed: the container runtime was not seen for three minutes');
      send(response, 'text/plain; charset=utf-8', 'ok');
    },
  },
  {
    method: 'GET',
    path: /^\/pods\/?$/,
    async serve({ response }, { kubelet }) {
      const items = kubelet.pods
        .list()
        .map((pod) => ({ ...pod, apiVersion: 'v1', kind: 'Pod', status: kubelet.statusOf(pod) }));
      sendJson(response, { kind: 'PodList', apiVersion: 'v1', metadata: {}, items });
    },
  },
  {
    method: 'GET',
    path: /^\/runningpods\/?$/,
    async serve({ response }, { kubelet }) {
      sendJson(response, await runningPods(kubelet.runtime));
    },
  },
  {
    method: 'GET',
    path: /^\/configz$/,
    async serve({ response }, { kubelet }) {
      sendJson(response, { kubeletconfig: kubelet.configuration });
    },
  },
  {
    method: 'GET',
    path: /^\/containerLogs\/[^/]+\/[^/]+\/[^/]+$/,
    async serve({ response, url }, services) {
      const [namespace, pod, container] = segments(url);
      await serveContainerLogs({ namespace, pod, container, query: url.searchParams }, response, services);
    },
  },
  {
    method: 'POST',
    path: /^\/run\/[^/]+\/[^/]+\/[^/]+$/,
    async serve({ response, url }, { kubelet }) {
      const [namespace, pod, container] = segments(url);
      const { id } = findRunning(await findPod(kubelet, namespace, pod), container);
      const { stdout, stderr } = await kubelet.runtime.execSync(id, url.searchParams.getAll('cmd'), 0);
      send(response, 'text/plain; charset=utf-8', Buffer.concat([stdout, stderr]));
    },
  },
  {
    method: 'GET',
    path: /^\/logs(\/.*)?$/,
    async serve({ response, url }, { kubelet }) {
      const path = decodeURIComponent(url.pathname.slice('/logs'.length));
      await serveNodeLogs(path, kubelet.folders.logs, response);
    },
  },
  {
    method: 'POST',
    path: /^\/checkpoint\/[^/]+\/[^/]+\/[^/]+$/,
    async serve({ response, url }, services) {
      const [namespace, pod, container] = segments(url);
      sendJson(response, await checkpointContainer({ namespace, pod, container, query: url.searchParams }, services));
    },
  },
  {
    method: 'GET',
    path: /^\/stats\/summary\/?$/,
    async serve({ response }, { stats }) {
      sendJson(response, await stats.summary());
    },
  },
  {
    method: 'GET',
    path: /^\/metrics$/,
    async serve({ response }, { kubelet }) {
      send(response, METRICS_TYPE, await kubeletMetrics(kubelet));
    },
  },
  {
    method: 'GET',
    path: /^\/metrics\/resource$/,
    async serve({ response }, { stats }) {
      send(response, METRICS_TYPE, resourceMetrics(await stats.summary()));
    },
  },
  {
    method: 'GET',
    path: /^\/metrics\/cadvisor$/,
    async serve({ response }, { kubelet, stats, machine }) {
      send(response, METRICS_TYPE, await cadvisorMetrics(kubelet, { summary: await stats.summary(), machine }));
    },
  },
  {
    method: 'GET',
    path: /^\/metrics\/probes$/,
    async serve({ response }, { kubelet }) {
      send(response, METRICS_TYPE, probeMetrics(kubelet));
    },
  },
  {
    method: 'GET',
    path: /^\/debug\/network$/,
    async serve({ response, url }, services) {
      sendJson(response, await serveNetworkFacts(url.searchParams, services));
    },
  },
  {
    method: 'PUT',
    path: /^\/images\/?$/,
    /** The body is an OCI or Docker image archive; it is handed on as it comes. */
    async serve({ request, response }, { kubelet }) {
      const images = await kubelet.runtime.importImage(request);
      kubelet.reportNode();
      sendJson(response, { images });
    },
  },
  {
    method: 'DELETE',
    path: /^\/local-path\/[^/]+$/,
    /** Of a volume that is released; while a pod still has it, it is refused and tried again. */
    async serve({ response, url }, { kubelet }) {
      try {
        await kubelet.eraseLocalPath(segments(url)[0]);
      } catch (error) {
        if (error instanceof DriverFailed) throw new HttpError(409, error.message);
        throw error;
      }
      sendJson(response, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' });
    },
  },
];

const sendJson = (response: ServerResponse, value: object): void =>
  send(response, 'application/json', JSON.stringify(value));

function send(response: ServerResponse, type: string, body: string | Buffer): void {
  response.writeHead(200, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}

/** What stands behind the first part of the path. */
function segments(url: URL): [string, string, string] {
  const [, namespace = '', pod = '', container = ''] = url.pathname.split('/').slice(1).map(decodeURIComponent);
  return [namespace, pod, container];
}
