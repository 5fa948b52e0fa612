/** All that takes a pod from what it says to containers, and back to nothing: put together. */
import { join } from 'node:path';
import { Node } from '#api/core/v1/node.ts';
import type { Pod, Service } from '#api/generated/schema.ts';
import { configuredMs } from '#api/kubelet-config/kubelet-configuration.ts';
import { BackOff } from './back-off.ts';
import { ContainerKiller } from './container-killer.ts';
import { ContainerRestarts } from './container-restarts.ts';
import { ContainerStarter } from './container-starter.ts';
import type { NodeFacts } from './field-values.ts';
import { CredentialProviders } from './images/credential-providers.ts';
import { ImageAccess, type VerificationPolicy } from './images/image-access.ts';
import { PullRecords } from './images/pull-records.ts';
import { Images } from './images.ts';
import type { KubeletServices } from './kubelet-services.ts';
import { Limiter } from './limiter.ts';
import { type Refusal, refusalOf } from './pod-admission.ts';
import { PodEnd } from './pod-end.ts';
import { PodPreparation } from './pod-preparation.ts';
import { PodReporter } from './pod-reporter.ts';
import { PodSync } from './pod-sync.ts';
import { PodWorkers } from './pod-workers.ts';
import { readText } from './read-text.ts';
import { Resizer } from './resize/resizer.ts';
import { Resizes } from './resize/resizes.ts';
import { runtimeHandlerOf } from './runtime-class.ts';
import { sysctlRefusal } from './sysctl-admission.ts';
import type { Mounter } from './volumes/mounter.ts';
import type { PodVolumes } from './volumes/pod-volumes.ts';

const CRASH_BACK_OFF = { initialMs: 10_000, maxMs: 300_000 };
/** Two starts for each CPU: as many pods a second as without a limit, and each of them much sooner. */
const STARTS_PER_CPU = 2;

export interface PodMachineInputs extends KubeletServices {
  volumes: PodVolumes;
  node: NodeFacts;
  mounter: Mounter;
  /** As it was last read. */
  registered(): Node | undefined;
  services(): Service[];
  /** Why the node takes no more pods like this one. */
  pressure(pod: Pod): Refusal | undefined;
  /** With the newest status that the API has of it. */
  latest(pod: Pod): Pod;
  onForgotten(pod: Pod): void;
}

export interface PodMachine {
  workers: PodWorkers;
  end: PodEnd;
  images: Images;
  pullRecords: PullRecords;
  killer: ContainerKiller;
}

export function podMachine(inputs: PodMachineInputs): PodMachine {
  const { options, configuration, events, pods, cgroups, allocations, devices, claims, runtimePods, notes, podStarts } =
    inputs;
  const { writer, probes, references, tokens, wake, volumes, node, mounter, registered, services, pressure, latest } =
    inputs;
  const { userNamespaces, onForgotten } = inputs;
  const { nodeName, client, runtime, machine, clock, random, log, directories, cgroupRoot } = options;
  const security = { appArmor: machine.appArmor, seccompRoot: join(directories.root, 'seccomp') };
  const resolvConf = options.resolvConf ?? readText('/etc/resolv.conf');
  const sandbox = {
    nodeName,
    hostIPs: options.addresses,
    dns: { clusterDNS: options.clusterDNS, clusterDomain: options.clusterDomain, resolvConf },
    security,
    logRoot: directories.logs,
    cgroupRoot,
  };
  const starts = new Limiter(Math.max(2, machine.cpus * STARTS_PER_CPU));
  const { serializeImagePulls, maxParallelImagePulls = Number.POSITIVE_INFINITY } = configuration;
  const pulls = new Limiter(serializeImagePulls ? 1 : maxParallelImagePulls);
  const { credentialProviders: plugins } = options;
  const providers = plugins && new CredentialProviders({ ...plugins, client, tokens, clock, log });
  const pullRecords = new PullRecords(directories.root, { clock, log, images: () => runtime.listImages() });
  const access = new ImageAccess({
    records: pullRecords,
    policy: configuration.imagePullCredentialsVerificationPolicy as VerificationPolicy,
    allowed: configuration.preloadedImagesVerificationAllowlist,
  });
  const own = { records: pullRecords, access, ...(providers && { providers }) };
  const images = new Images({ runtime, clock, events, pulls, ...own });
  const killer = new ContainerKiller({ runtime, clock, events });
  const { maxContainerRestartPeriod } = configuration.crashLoopBackOff;
  const crashes = new BackOff(clock, {
    ...CRASH_BACK_OFF,
    ...(maxContainerRestartPeriod && { maxMs: configuredMs(maxContainerRestartPeriod) }),
  });
  const starter = new ContainerStarter({
    runtime,
    runtimePods,
    clock,
    events,
    images,
    killer,
    starts,
    devices,
    claims,
    facts: {
      nodeName,
      clusterDomain: options.clusterDomain,
      nodeHosts: options.hosts ?? readText('/etc/hosts'),
      machine,
      security,
      mounter,
      sources: {
        node,
        configMap: references.configMap,
        secret: references.secret,
        services,
      },
    },
  });
  const resizes = new Resizes({
    allocations,
    events,
    notes,
    node: registered,
    pods: () => pods.list(),
    onAccepted: wake,
  });
  const resizer = new Resizer({
    allocations,
    runtime,
    cgroups,
    cgroupRoot,
    machine,
    events,
    notes,
    onCompleted: () => resizes.retry(),
  });
  const reporter = new PodReporter({
    allocations,
    devices,
    claims,
    clock,
    hostIPs: options.addresses,
    probes,
    notes,
    podStarts,
    writer,
    latest,
  });
  const preparation = new PodPreparation({
    runtime,
    runtimePods,
    events,
    notes,
    volumes,
    references,
    starts,
    cgroups,
    sandbox,
    podPidsLimit: configuration.podPidsLimit,
    allocations,
    claims,
    userNamespaces,
    runtimeHandlerOf: (pod) => runtimeHandlerOf(pod, client),
  });
  const sync = new PodSync({
    runtime,
    runtimePods,
    clock,
    events,
    notes,
    reporter,
    probes,
    volumes,
    references,
    preparation,
    starter,
    killer,
    restarts: new ContainerRestarts({ crashes, events, notes, reporter }),
    allocations,
    resizes,
    resizer,
    async refusalOf(pod) {
      const pressed = pressure(pod) ?? sysctlRefusal(pod, configuration.allowedUnsafeSysctls);
      if (pressed) return pressed;
      const others = pods.list().map((other) => allocations.allocatedPod(other));
      if (!refusalOf(pod, { node: registered(), others })) return devices.admit(pod);
      // Labels may have changed since the node was last read: nothing is refused by what was.
      return refusalOf(pod, { node: await client.get(Node, { name: nodeName }), others }) ?? devices.admit(pod);
    },
  });
  const end = new PodEnd({
    clock,
    runtime,
    runtimePods,
    probes,
    reporter,
    killer,
    volumes,
    references,
    tokens,
    images,
    crashes,
    allocations,
    devices,
    claims,
    userNamespaces,
    notes,
    writer,
    cgroups,
    cgroupRoot,
    logRoot: directories.logs,
  });
  const workers = new PodWorkers({
    sync,
    end,
    writer,
    podStarts,
    clock,
    random,
    log,
    onRoom: () => resizes.retry(),
    onForgotten,
  });
  return { workers, end, images, pullRecords, killer };
}
