/**
 * The kubelet: makes one node's containers equal to what the API says of its pods, and says in the API how they are. Pods
 * outlive it: begun again, it finds their containers by their labels and goes on. Only `cmd` and tests start one.
 */
import { setMaxListeners } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { Pod } from '#api/core/v1/pod.ts';
import { Service } from '#api/core/v1/service.ts';
import type { Taint } from '#api/generated/schema.ts';
import { configuredMs, DEFAULT_CONFIGURATION } from '#api/kubelet-config/kubelet-configuration.ts';
import { quantityValue } from '#api/machinery/quantity.ts';
import { EventRecorder } from '#client/event-recorder.ts';
import { rotateCertificates } from './certificates/rotate-certificates.ts';
import { openPodResources } from './devices/pod-resources.ts';
import type { NodeFacts } from './field-values.ts';
import { followPods, shownInApi, withApiStatus } from './follow-pods.ts';
import { Housekeeping } from './housekeeping.ts';
import { openKeptState } from './kept-state.ts';
import type { Kubelet } from './kubelet.ts';
import type { KubeletOptions } from './kubelet-options.ts';
import type { KubeletServices } from './kubelet-services.ts';
import { LogRotation } from './log-rotation.ts';
import { podsLimits } from './node-allocatable.ts';
import { measuredRuntime } from './measured-runtime.ts';
import { nodeCare } from './node-care.ts';
import { nodePods } from './node-pods.ts';
import { NodeRegistration } from './node-registration.ts';
import { podEvents } from './pod-events.ts';
import { podMachine } from './pod-machine.ts';
import { PodNotes } from './pod-notes.ts';
import { PodStarts } from './pod-starts.ts';
import { preparedCgroups } from './prepared-cgroups.ts';
import { Probes } from './probes/probes.ts';
import { ReferencedObjects } from './referenced-objects.ts';
import { RuntimePods } from './runtime-pods.ts';
import { RuntimeWatcher } from './runtime-watcher.ts';
import { type KubeletServer, startKubeletServer } from './server/kubelet-server.ts';
import { feedStaticPods } from './static-pods/feed-static-pods.ts';
import { MirrorPods } from './static-pods/mirror-pods.ts';
import { CONFIG_MIRROR } from './static-pods/static-pod.ts';
import { StaticPods } from './static-pods/static-pods.ts';
import { StatusWriter } from './status-writer.ts';
import { imageVolumes } from './volumes/image-volumes.ts';
import { systemMounter } from './volumes/mounter.ts';
import { nodeVolumes } from './volumes/node-volumes.ts';
import { ServiceAccountTokens } from './volumes/service-account-tokens.ts';

const DEFAULTS = {
  cgroupRoot: '/kubepods',
  kubeletVersion: 'v1.36.0',
};

export type { KubeletOptions } from './kubelet-options.ts';

/** Resolves when the node is registered and its pods are being worked on. */
export async function startKubelet(given: KubeletOptions): Promise<Kubelet> {
  const configuration = given.configuration ?? DEFAULT_CONFIGURATION;
  const { maxPods, port, nodeLeaseDurationSeconds: leaseDurationSeconds } = configuration;
  const { clusterDNS = given.clusterDNS, clusterDomain = given.clusterDomain } = configuration;
  const { runtime, operations } = measuredRuntime(given.runtime, given.clock);
  const cluster = { clusterDNS, clusterDomain };
  const options = { ...DEFAULTS, maxPods, port, leaseDurationSeconds, ...given, ...cluster, runtime };
  const { nodeName, client, informers, machine, clock, random, log, directories, cgroupRoot } = options;
  const stop = new AbortController();
  const { signal } = stop;
  setMaxListeners(0, signal); // every loop of the kubelet listens
  await mkdir(directories.root, { recursive: true, mode: 0o750 });
  await mkdir(directories.logs, { recursive: true, mode: 0o755 });

  const recorder = new EventRecorder({ client, clock, random, component: 'kubelet', host: nodeName, log, signal });
  const events = podEvents(recorder);
  const apiPods = informers.for(Pod, { fieldSelector: `spec.nodeName=${nodeName}` });
  const staticPods = configuration.staticPodPath
    ? new StaticPods({
        path: configuration.staticPodPath,
        nodeName,
        everyMs: configuredMs(configuration.fileCheckFrequency),
        clock,
        log,
        onChange: () => feed(),
      })
    : undefined;
  const pods = nodePods(apiPods, staticPods);
  const shownAs = (pod: Pod) => shownInApi(pod, apiPods);
  const services = informers.for(Service);
  const cgroups = await preparedCgroups(machine.cgroups, cgroupRoot, podsLimits(machine, configuration));

  const wake = (podUid: string) => workers.wake(podUid);
  const kept = await openKeptState({
    options,
    configuration,
    signal,
    reportNode: () => registration.reportNow(),
    wake,
  });
  const { allocations, devices, claims, userNamespaces } = kept;
  const runtimePods = new RuntimePods(runtime, clock);
  const notes = new PodNotes();
  const podStarts = new PodStarts(clock);
  const writer = new StatusWriter({ client, clock, log, signal, shownAs });
  const probes = new Probes({ runtime, clock, events, log, onChange: wake });
  const references = new ReferencedObjects({ client, clock, onChange: wake });
  const tokens = new ServiceAccountTokens(client, clock);
  const shared: KubeletServices = {
    options,
    configuration,
    signal,
    recorder,
    events,
    pods,
    cgroups,
    ...kept,
    runtimePods,
    notes,
    podStarts,
    writer,
    probes,
    references,
    tokens,
    wake,
  };
  const registration = new NodeRegistration({
    ...options,
    events: recorder,
    signal,
    root: directories.root,
    labels: options.labels ?? {},
    taints: [...(options.taints ?? []), ...((configuration.registerWithTaints ?? []) as Taint[])],
    podCIDRs: options.podCIDRs ?? [],
    configuration,
    pressures: () => evictions.conditions,
    volumesInUse: () => nodesVolumes.inUse(),
    isShuttingDown: () => shutdown.isUnderWay,
    devices: () => devices.amounts(),
  });
  const node: NodeFacts = {
    nodeName,
    hostIPs: options.addresses,
    get allocatable() {
      return (
        registration.node?.status?.allocatable ?? { cpu: String(machine.cpus), memory: String(machine.memoryBytes) }
      );
    },
  };
  const mounter = options.mounter ?? systemMounter;
  const nodesVolumes = nodeVolumes({
    root: directories.root,
    nodeName,
    client,
    clock,
    log,
    events,
    mounter,
    tokens,
    signal,
    node: () => registration.node,
    reportNode: () => registration.reportNow(),
    plugins: new Map([['DRAPlugin', claims.plugins]]),
    images: imageVolumes({
      runtime,
      imageOf: (pod, volume, signal) => images.ensureFor(pod, volume, { secretOf: references.secret, signal }),
    }),
    sources: {
      node,
      configMap: references.configMap,
      secret: references.secret,
      serviceAccountToken: (pod, projection) => tokens.tokenFor(pod, projection),
    },
  });
  const podParts = podMachine({
    ...shared,
    volumes: nodesVolumes.pods,
    node,
    mounter,
    registered: () => registration.node,
    services: () => services.list(),
    pressure: (pod) => care.shutdown.refusalOf() ?? care.evictions.refusalOf(pod),
    latest: (pod) => withApiStatus(pod, apiPods),
    onForgotten: () => feed(),
  });
  const { workers, end, images, pullRecords, killer } = podParts;
  const care = nodeCare({
    ...shared,
    pullRecords,
    workers,
    reportNode: () => registration.reportNow(),
    removeDead: () => housekeeping.removeDead((podUid) => workers.isRunning(podUid)),
  });
  const { evictions, imageGarbage, shutdown } = care;
  const isKnown = (podUid: string) => workers.knows(podUid);
  const mirrors = new MirrorPods({
    client,
    clock,
    log,
    node: () => registration.node,
    pods: () => apiPods.list(),
    staticPods: () => staticPods?.list() ?? [],
    isKnown,
  });
  const feed = () => {
    feedStaticPods(staticPods?.list() ?? [], workers);
    mirrors.reconcile();
  };
  const housekeeping = new Housekeeping({
    runtime,
    runtimePods,
    volumes: nodesVolumes.pods,
    end,
    clock,
    log,
    isKnown,
    cgroups,
    cgroupRoot,
    logRoot: directories.logs,
  });
  const watcher = new RuntimeWatcher({
    runtime,
    clock,
    log,
    onChange(podUid) {
      runtimePods.changed(podUid);
      wake(podUid);
    },
    podOf: (id) => runtimePods.podOf(id),
    onRelist: (found) => {
      runtimePods.seen(found);
      if (apiPods.hasSynced) void housekeeping.tidy(found);
    },
  });

  recorder.normal({ apiVersion: 'v1', kind: 'Node', name: nodeName, uid: nodeName }, 'Starting', 'Starting kubelet.');
  await nodesVolumes.restore();
  await registration.start();
  claims.plugins.start();
  await nodesVolumes.start();
  await informers.synced(signal);
  await staticPods?.start();
  const here = new Set(pods.list().map(({ metadata }) => metadata.uid));
  for (const each of [allocations, devices]) each.keepOnly((uid) => here.has(uid));
  const unsubscribe = followPods(apiPods, { workers, writer }, (mirror, isNew) => {
    const shown = mirror?.metadata.annotations?.[CONFIG_MIRROR] ?? '';
    if (mirror && isNew) writer.writeAgain(shown);
    else if (mirror) writer.seen(mirror, shown);
    mirrors.reconcile();
  });
  const podResources = await openPodResources({
    root: directories.root,
    clock,
    log,
    pods,
    statusOf: (pod) => writer.statusOf(pod.metadata.uid) ?? pod.status,
    devices,
    claims,
  });
  feed();
  claims.follow((podUid) => workers.isReleased(podUid));
  await watcher.start();
  new LogRotation({
    runtime,
    containers: () => watcher.found.containers,
    clock,
    log,
    signal,
    maxBytes: quantityValue(configuration.containerLogMaxSize),
    maxFiles: configuration.containerLogMaxFiles,
  }).start();
  await care.start();
  let server: KubeletServer | undefined;
  const kubelet: Kubelet = {
    nodeName,
    runtime,
    operations,
    podStarts,
    userNamespaceStarts: userNamespaces.starts,
    claims,
    runtimePods,
    cgroups,
    cgroupRoot,
    folders: directories,
    pods,
    get busy() {
      const looking =
        (watcher.isRelisting ? 1 : 0) +
        housekeeping.busy +
        evictions.busy +
        imageGarbage.busy +
        mirrors.busy +
        (staticPods?.busy ?? 0);
      return Math.max(0, workers.busy - killer.waiting - images.waiting) + looking;
    },
    statusOf: (pod) => writer.statusOf(pod.metadata.uid) ?? pod.status,
    lastRelistMs: () => watcher.lastRelistMs,
    reportNode: () => registration.reportNow(),
    volumeStats: (podUid) => nodesVolumes.stats(podUid),
    eraseLocalPath: (volumeId) => nodesVolumes.eraseLocalPath(volumeId),
    serverPort: () => server?.port,
    configuration,
    probeCounts: () => probes.counts(),
    shutDown: () => shutdown.begin(),
    async close() {
      await server?.close();
      await podResources?.close();
      unsubscribe();
      watcher.close();
      evictions.close();
      staticPods?.close();
      mirrors.close();
      workers.close();
      probes.close();
      references.close();
      nodesVolumes.close();
      stop.abort();
      await allocations.settled();
      await devices.close();
      await claims.close();
    },
  };
  if (options.server)
    server = await startKubeletServer({
      kubelet,
      client,
      clock,
      log,
      ...options.server,
      port: options.port,
      memoryBytes: machine.memoryBytes,
      cpus: machine.cpus,
      root: directories.root,
    });
  const rotation = { client, clock, random, log, signal, configuration, shownBy: server };
  rotateCertificates(options.rotated ?? {}, rotation);
  log.info('kubelet is running', { node: nodeName });
  return kubelet;
}
