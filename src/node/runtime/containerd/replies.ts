/** From the CRI's messages to the domain's shapes. */
import type {
  Container,
  ContainerStats,
  ContainerStatus,
  LinuxContainerResources,
  Mount,
} from '#node/runtime/container.ts';
import type { FilesystemUsage, Image } from '#node/runtime/image.ts';
import type { Reply } from '#node/runtime/message-table.ts';
import type { PodSandbox, PodSandboxStatus } from '#node/runtime/pod-sandbox.ts';
import type { ExecSyncResult, RuntimeStatus, RuntimeVersion } from '#node/runtime/runtime.ts';

export const text = (reply: Reply, field: string): string => String(reply[field] ?? '');
export const list = <T>(items: unknown, map: (item: Reply) => T): T[] => ((items as Reply[] | null) ?? []).map(map);
const part = (reply: Reply | undefined, field: string): Reply | undefined =>
  (reply?.[field] as Reply | null | undefined) ?? undefined;
const strings = (reply: Reply, field: string): string[] => (reply[field] as string[] | undefined) ?? [];
const labels = (reply: Reply, field: string): Record<string, string> =>
  (reply[field] as Record<string, string> | undefined) ?? {};
/** A wrapped 64-bit number. */
const number = (reply: Reply | undefined, field: string): number | undefined => {
  const value = part(reply, field)?.['value'];
  return value === undefined ? undefined : Number(value);
};
/** ns since the epoch as a decimal string → ms; 0 means that it has not come. */
const instant = (value: unknown): number | undefined =>
  value === undefined || value === '0' ? undefined : Number(BigInt(String(value)) / 1000n) / 1000;

export const version = (reply: Reply): RuntimeVersion => ({
  runtimeName: text(reply, 'runtimeName'),
  runtimeVersion: text(reply, 'runtimeVersion'),
  runtimeApiVersion: text(reply, 'runtimeApiVersion'),
});

export const runtimeStatus = (reply: Reply): RuntimeStatus => ({
  conditions: list(part(reply, 'status')?.['conditions'], (condition) => ({
    type: text(condition, 'type'),
    status: condition['status'] === true,
    reason: text(condition, 'reason'),
    message: text(condition, 'message'),
  })),
  handlers: list(reply['runtimeHandlers'], (handler) => ({
    name: text(handler, 'name'),
    recursiveReadOnlyMounts: part(handler, 'features')?.['recursiveReadOnlyMounts'] === true,
    userNamespaces: part(handler, 'features')?.['userNamespaces'] === true,
  })),
  ...(part(reply, 'features') && {
    features: { supplementalGroupsPolicy: part(reply, 'features')?.['supplementalGroupsPolicy'] === true },
  }),
});

export const podSandbox = (reply: Reply): PodSandbox => ({
  id: text(reply, 'id'),
  metadata: reply['metadata'] as PodSandbox['metadata'],
  state: reply['state'] as PodSandbox['state'],
  createdAt: instant(reply['createdAt']),
  labels: labels(reply, 'labels'),
  annotations: labels(reply, 'annotations'),
});

export function podSandboxStatus(reply: Reply): PodSandboxStatus {
  const network = part(reply, 'network');
  const more = list(network?.['additionalIps'], (ip) => text(ip, 'ip'));
  const ips = network ? [text(network, 'ip'), ...more].filter(Boolean) : [];
  return { ...podSandbox(reply), ips };
}

const imageName = (reply: Reply): string => text(part(reply, 'image') ?? {}, 'image');

export const container = (reply: Reply): Container => ({
  id: text(reply, 'id'),
  podSandboxId: text(reply, 'podSandboxId'),
  metadata: reply['metadata'] as Container['metadata'],
  image: imageName(reply),
  imageRef: text(reply, 'imageRef'),
  state: reply['state'] as Container['state'],
  createdAt: instant(reply['createdAt']),
  labels: labels(reply, 'labels'),
  annotations: labels(reply, 'annotations'),
});

export function containerStatus(reply: Reply): ContainerStatus {
  const linux = part(part(reply, 'resources'), 'linux');
  const user = part(part(reply, 'user'), 'linux');
  return {
    id: text(reply, 'id'),
    metadata: reply['metadata'] as ContainerStatus['metadata'],
    state: reply['state'] as ContainerStatus['state'],
    createdAt: instant(reply['createdAt']),
    startedAt: instant(reply['startedAt']),
    finishedAt: instant(reply['finishedAt']),
    exitCode: Number(reply['exitCode'] ?? 0),
    image: imageName(reply),
    imageRef: text(reply, 'imageRef'),
    reason: text(reply, 'reason'),
    message: text(reply, 'message'),
    labels: labels(reply, 'labels'),
    annotations: labels(reply, 'annotations'),
    mounts: list(reply['mounts'], (mount) => mount as unknown as Mount),
    logPath: text(reply, 'logPath'),
    ...(linux && { resources: resources(linux) }),
    ...(user && { user: containerUser(user) }),
  };
}

const containerUser = (user: Reply): NonNullable<ContainerStatus['user']> => ({
  uid: Number(user['uid']),
  gid: Number(user['gid']),
  supplementalGroups: list(user['supplementalGroups'], Number),
});

const resources = (linux: Reply): LinuxContainerResources => ({
  cpuPeriod: Number(linux['cpuPeriod']),
  cpuQuota: Number(linux['cpuQuota']),
  cpuShares: Number(linux['cpuShares']),
  memoryLimitInBytes: Number(linux['memoryLimitInBytes']),
  oomScoreAdj: Number(linux['oomScoreAdj']),
});

export const execSync = (reply: Reply): ExecSyncResult => ({
  stdout: reply['stdout'] as Uint8Array,
  stderr: reply['stderr'] as Uint8Array,
  exitCode: Number(reply['exitCode']),
});

export function containerStats(reply: Reply): ContainerStats {
  const attributes = part(reply, 'attributes') ?? {};
  const cpu = part(reply, 'cpu');
  const memory = part(reply, 'memory');
  const layer = part(reply, 'writableLayer');
  return {
    id: text(attributes, 'id'),
    name: text(part(attributes, 'metadata') ?? {}, 'name'),
    labels: labels(attributes, 'labels'),
    cpuTimestamp: instant(cpu?.['timestamp']),
    cpuUsageCoreNanoSeconds: number(cpu, 'usageCoreNanoSeconds'),
    memoryTimestamp: instant(memory?.['timestamp']),
    memoryWorkingSetBytes: number(memory, 'workingSetBytes'),
    memoryUsageBytes: number(memory, 'usageBytes'),
    memoryRssBytes: number(memory, 'rssBytes'),
    memoryPageFaults: number(memory, 'pageFaults'),
    memoryMajorPageFaults: number(memory, 'majorPageFaults'),
    writableLayerUsedBytes: number(layer, 'usedBytes'),
    writableLayerInodesUsed: number(layer, 'inodesUsed'),
  };
}

export const image = (reply: Reply): Image => ({
  id: text(reply, 'id'),
  repoTags: strings(reply, 'repoTags'),
  repoDigests: strings(reply, 'repoDigests'),
  sizeBytes: Number(reply['size'] ?? 0),
  uid: number(reply, 'uid'),
  username: text(reply, 'username'),
  pinned: reply['pinned'] === true,
});

export const filesystemUsage = (reply: Reply): FilesystemUsage => ({
  timestamp: instant(reply['timestamp']),
  mountpoint: text(part(reply, 'fsId') ?? {}, 'mountpoint'),
  usedBytes: number(reply, 'usedBytes') ?? 0,
  inodesUsed: number(reply, 'inodesUsed') ?? 0,
});
