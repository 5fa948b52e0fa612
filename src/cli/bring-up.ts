/** Waits for one thing after the other until a cluster that was started can be used. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pc from 'picocolors';
import type { Transport } from '#client/transport.ts';
import { flagsHint } from './api-server-options.ts';
import { UserError } from './context.ts';
import type { ClusterStatus } from './control-protocol.ts';
import { createExample, exampleAvailable, exampleImages, exampleUrl, loadImages, urlAnswers } from './example-web.ts';
import { mergeKubeconfig, userKubeconfig } from './kubeconfig-merge.ts';
import { lastLines } from './last-lines.ts';
import { localApi, until, type WaitOptions } from './local-api.ts';
import { countReadyNodes } from './ready-nodes.ts';
import type { Session } from './up-session.ts';
import { summarize } from './up-summary.ts';

const SUPERVISOR_TIMEOUT_MS = 60_000;
const START_TIMEOUT_MS = 300_000;
const EXAMPLE_TIMEOUT_MS = 180_000;
const URL_TIMEOUT_MS = 30_000;

export async function bringUp(session: Session): Promise<void> {
  const { context, options, paths, control, progress, missing } = session;
  const images = options.example && missing.length === 0 ? exampleImages(context) : undefined;
  images?.catch(() => undefined); // awaited below, where its failure belongs
  const started = progress.step('nodes', (tell) => machineStarted(session, tell));
  started.catch(() => undefined);
  const loaded =
    images &&
    started.then(async () => progress.step('images of the example', async () => loadImages(control, await images)));
  loaded?.catch(() => undefined);
  const api = await progress.step('API server', (tell) => apiAnswers(session, tell));
  const contextName = `kedge-${options.name}`;
  const configPath = userKubeconfig(context.env);
  await mergeKubeconfig(configPath, await readFile(paths.kubeconfig, 'utf8'), context.clock);
  const status = await started;
  await progress.step('nodes ready', (tell) => nodesReady(session, api, tell));
  await loaded;
  const urls = options.example ? await exampleUp(session, api) : [];
  const { warnings, published = [] } = (await control.statusIfRunning()) ?? status;
  for (const warning of warnings) context.note(pc.yellow(`! ${warning}`));
  summarize(session, { urls, published, contextName, configPath });
}

/** Until the supervisor has started what it keeps. A node that failed is an error here, with its reason. */
async function machineStarted(
  { control, context, paths, signal, missing }: Session,
  tell: (text: string) => void,
): Promise<ClusterStatus> {
  const options = { clock: context.clock, timeoutMs: SUPERVISOR_TIMEOUT_MS, signal };
  await until('the supervisor answers', () => control.statusIfRunning(), options).catch(async (error) => {
    throw new UserError(`${error.message}\n${await lastLines(join(paths.logs, 'supervisor.log'))}`);
  });
  for await (const status of control.changes()) {
    if (signal.aborted) throw signal.reason;
    if (status.phase === 'starting') continue;
    const failed = status.nodes.find(({ state }) => state === 'failed');
    if (failed) throw new UserError(`Node ${failed.name} could not be started: ${failed.message}`);
    const names = status.nodes.map(({ name }) => name).join(', ');
    tell(missing.length > 0 ? `nodes are simulated` : `machine for ${names || 'no nodes'}`);
    return status;
  }
  throw new UserError(`The supervisor ended.\n${await lastLines(join(paths.logs, 'supervisor.log'))}`);
}

async function apiAnswers(session: Session, tell: (text: string) => void): Promise<Transport> {
  const { control, paths, context, flags } = session;
  const written = async () => ((await control.statusIfRunning())?.hasKubeconfig ? true : undefined);
  await until('the certificates are made', written, waiting(session, SUPERVISOR_TIMEOUT_MS));
  const api = localApi(paths.kubeconfig, context.clock);
  const controlPlane = async () =>
    (await control.statusIfRunning())?.processes.find(({ name }) => name === 'control-plane');
  await until(
    'the API server answers',
    async () => {
      const process = await controlPlane();
      if ((process?.restarts ?? 0) >= 3) {
        throw new UserError(
          `The control plane does not stay up.\n${await lastLines(join(paths.logs, 'control-plane.log'))}${flagsHint(flags)}`,
        );
      }
      return process && (await api.request({ method: 'GET', path: '/readyz' })).code === 200 ? true : undefined;
    },
    waiting(session, START_TIMEOUT_MS),
  );
  tell(`API server answers at ${(await control.statusIfRunning())?.server}`);
  return api;
}

async function nodesReady(session: Session, api: Transport, tell: (text: string) => void): Promise<void> {
  const { control, beganMs } = session;
  const look = async () => {
    const status = await control.statusIfRunning();
    return status && countReadyNodes(api, status, beganMs);
  };
  const count = await until('the nodes are ready', look, waiting(session, START_TIMEOUT_MS));
  tell(`${count} ${count === 1 ? 'node' : 'nodes'} ready`);
}

/** @returns the URLs that have answered. */
async function exampleUp(session: Session, api: Transport): Promise<string[]> {
  const { context, control, progress, missing } = session;
  const wait = waiting(session, EXAMPLE_TIMEOUT_MS);
  const nodes = (await control.statusIfRunning())?.nodes ?? [];
  await progress.step('example web', async (tell) => {
    await createExample(context, api);
    const replicas = await exampleAvailable(api, nodes, wait);
    tell(`example web runs with ${replicas} pods`);
  });
  if (missing.length > 0) return []; // simulated pods answer nobody
  const running = nodes.filter(({ state, isSimulated }) => state === 'running' && !isSimulated);
  // The example's Service is of the primary family alone.
  const urls = running.flatMap(({ addresses }) => addresses.slice(0, 1).map(exampleUrl));
  await progress.step('example web answers on every node', () =>
    Promise.all(urls.map((url) => urlAnswers(url, waiting(session, URL_TIMEOUT_MS)))),
  );
  return urls;
}

const waiting = ({ context, signal }: Session, timeoutMs: number): WaitOptions => ({
  clock: context.clock,
  timeoutMs,
  signal,
});
