/** What `kedge up` does, in order. */
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import pc from 'picocolors';
import type { Transport } from '#client/transport.ts';
import { modeTrouble } from '#network/proxy/mode-trouble.ts';
import type { ClusterPaths, PublishedServicePort } from '#node/machine/cluster-dir.ts';
import { detectMachine, type Missing, missingForNodes } from '#node/machine/detect.ts';
import { LockTimeout, withFileLock } from '#node/machine/file-lock.ts';
import type { IpFamilies } from '#node/machine/slots.ts';
import { apiServerFlagsIn, flagsHint } from './api-server-options.ts';
import { commandFor, pathsOf, registerOf, type Selection } from './cluster-selection.ts';
import { cniConfigFile } from './cni-config-file.ts';
import { type CliContext, UserError } from './context.ts';
import { ControlClient } from './control-client.ts';
import type { ClusterStatus, PublishedPort } from './control-protocol.ts';
import { credentialProvidersFile } from './credential-providers-file.ts';
import { createExample, exampleAvailable, exampleImages, exampleUrl, loadImages, urlAnswers } from './example-web.ts';
import { stayInForeground } from './foreground.ts';
import { mergeKubeconfig, userKubeconfig } from './kubeconfig-merge.ts';
import { kubeletConfigFile } from './kubelet-config-file.ts';
import { localApi, until, type WaitOptions } from './local-api.ts';
import { prepareCluster } from './prepare-cluster.ts';
import { type Progress, progressOn } from './progress.ts';
import { countReadyNodes } from './ready-nodes.ts';
import { authoritiesIn, refuseOtherAuthorities, takeOverAuthorities } from './shared-authorities.ts';
import { startSupervisor } from './start-supervisor.ts';
import { takeClusterDown } from './take-down.ts';

const SUPERVISOR_TIMEOUT_MS = 60_000;
const START_TIMEOUT_MS = 300_000;
const EXAMPLE_TIMEOUT_MS = 180_000;
const URL_TIMEOUT_MS = 30_000;

export interface UpOptions extends Selection {
  nodes?: number;
  simulatedNodes?: number;
  ipFamilies?: IpFamilies;
  overlay?: 'auto' | 'vxlan';
  proxyMode?: 'nftables' | 'iptables' | 'ipvs';
  ipvsScheduler?: string;
  cniConfig?: string;
  apiServerPort?: number;
  listen?: string[];
  publish?: PublishedServicePort[];
  nodeMonitorGracePeriod?: number;
  defaultTolerationSeconds?: number;
  kubeletConfig?: string;
  imageCredentialProviderConfig?: string;
  imageCredentialProviderBinDir?: string;
  pkiDir?: string;
  detach?: boolean;
  example?: 'web';
}

interface Session {
  context: CliContext;
  options: UpOptions;
  paths: ClusterPaths;
  control: ControlClient;
  progress: Progress;
  /** Why nodes are simulated; empty when they are real. */
  missing: Missing[];
  /** Of the API server, as they are on record. */
  flags: Readonly<Record<string, string>>;
  signal: AbortSignal;
  /** Wall time in ms: before anything of this cluster was started. */
  beganMs: number;
}

export async function runUp(context: CliContext, options: UpOptions): Promise<void> {
  const paths = await pathsOf(context, options);
  // By its name: the data directory may not be there yet.
  const lock = join(registerOf(context).folder, `${options.name}.up.lock`);
  const alone = { path: lock, clock: context.clock, timeoutMs: 0 };
  const { control, signal } = await withFileLock(alone, () => start(context, options, paths)).catch(
    (error: unknown) => {
      if (!(error instanceof LockTimeout)) throw error;
      throw new UserError(
        `Cluster "${options.name}" is being started by another process. ` +
          `Look at it with \`${commandFor('status', options)}\`, or start another with --name.`,
      );
    },
  );
  if (!options.detach) await stayInForeground({ context, selection: options, control, signal });
}

/** One process at a time: whoever fails takes down what is there, and that has to be its own. */
async function start(context: CliContext, options: UpOptions, paths: ClusterPaths): Promise<Session> {
  const facts = await detectMachine();
  const control = new ControlClient(paths.controlSocket);
  const running = await control.statusIfRunning();
  if (running) {
    throw new UserError(
      `Cluster "${options.name}" is running already (process ${running.supervisorPid}). ` +
        `Look at it with \`${commandFor('status', options)}\`, stop it with \`${commandFor('down', options)}\`, ` +
        'or start another with --name.',
    );
  }
  const { nodes, simulatedNodes, apiServerPort, listen, publish } = options;
  const { nodeMonitorGracePeriod, defaultTolerationSeconds } = options;
  const settings = {
    ...(nodeMonitorGracePeriod !== undefined && { nodeMonitorGracePeriodSeconds: nodeMonitorGracePeriod }),
    ...(defaultTolerationSeconds !== undefined && { defaultTolerationSeconds }),
    ...(options.kubeletConfig && { kubelet: await kubeletConfigFile(context, options.kubeletConfig) }),
    ...(await credentialProvidersFile(options)),
    ...(options.cniConfig && { cni: await cniConfigFile(options.cniConfig) }),
    ...(options.proxyMode && { proxyMode: options.proxyMode }),
    ...(options.ipvsScheduler && { ipvsScheduler: options.ipvsScheduler }),
    ...(options.overlay && { overlay: options.overlay === 'vxlan' ? options.overlay : undefined }),
    apiServer: apiServerFlagsIn(options),
  };
  const authorities = options.pkiDir ? await authoritiesIn(options.pkiDir) : undefined;
  if (authorities) await refuseOtherAuthorities(paths.pki, authorities);
  const cluster = await prepareCluster(context, paths, {
    name: options.name,
    nodes,
    simulatedNodes,
    apiServerPort,
    listen,
    publish,
    ...(options.ipFamilies && { ipFamilies: options.ipFamilies }),
    settings,
  });
  if (authorities) await takeOverAuthorities(paths.pki, authorities);

  const beganMs = context.clock.now();
  const interrupted = new AbortController();
  // From here on this process has something to take down, and ends only after that.
  for (const signal of SIGNALS) process.on(signal, () => interrupted.abort(new UserError('Interrupted.')));
  const progress = progressOn(process.stderr, context.clock);
  const missing = missingForNodes(facts);
  const trouble = missing.length === 0 && modeTrouble(cluster.settings); // one on record, too
  if (trouble) throw new UserError(trouble);
  const flags = cluster.settings.apiServer ?? {};
  const session = { context, options, paths, control, progress, missing, flags, signal: interrupted.signal, beganMs };
  try {
    await startSupervisor(context, { name: options.name, paths, facts, atBoot: options.detach === true });
    await bringUp(session);
  } catch (error) {
    context.note(interrupted.signal.aborted ? 'Stopping what was started …' : pc.red(`${(error as Error).message}`));
    await takeClusterDown(context, options);
    throw interrupted.signal.aborted ? new UserError('Interrupted.') : new UserError('The cluster did not come up.');
  }
  return session;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

async function bringUp(session: Session): Promise<void> {
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

interface Result {
  urls: string[];
  published: readonly PublishedPort[];
  contextName: string;
  configPath: string;
}

function summarize(session: Session, result: Result): void {
  const { context, options, paths, missing } = session;
  const { out } = context;
  const name = options.name === 'dev' ? '' : ` --name ${options.name}`;
  out('');
  if (result.urls.length > 0) out('The example answers at');
  for (const url of result.urls) out(`  ${pc.bold(url)}`);
  const own =
    resolve(result.configPath) === resolve(paths.kubeconfig)
      ? ''
      : `; the cluster's own kubeconfig is ${paths.kubeconfig}`;
  for (const line of publishedLines(result.published)) out(line);
  out(`Context ${pc.bold(result.contextName)} is in ${result.configPath}${own}`);
  out('Try');
  out(`  npx kedge kubectl${name} get pods -o wide`);
  if (options.example && missing.length === 0) {
    out(`  npx kedge kubectl${name} set image deployment/myapp web=kedge.local/hello:2`);
    out(`  npx kedge kubectl${name} scale deployment/myapp --replicas=20`);
  }
  out(`  npx kedge status${name}`);
  if (missing.length === 0) return;
  out('');
  out(
    pc.yellow(
      'The nodes are simulated: pods are scheduled and reported as running, but no container runs and no URL answers.',
    ),
  );
  out('What is missing for real containers:');
  for (const { what, remedy } of missing) out(`  ${what}: ${remedy}`);
}

/** Where this machine's own programs find Ingresses and published Services. */
export function publishedLines(published: readonly PublishedPort[]): string[] {
  const at = (scheme: 'http' | 'https', usual: number) => {
    const found = published.find(({ to, problem }) => to === `ingress ${scheme}` && !problem);
    return found && `${scheme}://NAME.localhost${found.port === usual ? '' : `:${found.port}`}/`;
  };
  const urls = [at('http', 80), at('https', 443)].filter((url) => url !== undefined);
  return [
    ...(urls.length > 0 ? [`Ingresses for hosts under .localhost answer at ${urls.join(' and ')}`] : []),
    ...published
      .filter(({ to }) => !to.startsWith('ingress '))
      .map(({ port, to, problem }) =>
        problem ? `${to} is not published: ${problem}` : `${to} is published at 127.0.0.1:${port}`,
      ),
  ];
}

/** What a process says at each of its starts is told once. */
function lastOnes(lines: readonly string[]): string[] {
  const messageOf = (line: string) => line.replace(/\d[\d:.TZ-]*/g, '');
  return lines
    .filter((line, i) => lines.findLastIndex((other) => messageOf(other) === messageOf(line)) === i)
    .slice(-8);
}

async function lastLines(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return `${resolve(path)} ends with:\n${lastOnes(text.trimEnd().split('\n')).join('\n')}`;
}
