/** The files of configMap, secret, downwardAPI and projected volumes. */
import type {
  ConfigMap,
  DownwardAPIVolumeFile,
  KeyToPath,
  Pod,
  Secret,
  ServiceAccountTokenProjection,
  Volume,
  VolumeProjection,
} from '#api/generated/schema.ts';
import { Unreachable } from '#client/transport.ts';
import { fieldValue, type NodeFacts, resourceFieldValue, UnresolvedField } from '../field-values.ts';
import type { Payload, ProjectedFile } from './atomic-writer.ts';

export interface ProjectionSources {
  node: NodeFacts;
  configMap(namespace: string, name: string): Promise<ConfigMap | undefined>;
  secret(namespace: string, name: string): Promise<Secret | undefined>;
  /** A token of the pod's service account, fresh for a while. */
  serviceAccountToken(pod: Pod, projection: ServiceAccountTokenProjection): Promise<string>;
}

/** A volume cannot be filled; the message is the event's. */
export class ProjectionFailed extends Error {}

const DEFAULT_MODE = 0o644;
const bytes = (text: string): Uint8Array => Buffer.from(text, 'utf8');

interface Context {
  pod: Pod;
  sources: ProjectionSources;
  podIPs: readonly string[];
}

/** undefined: not a volume of this sort. */
export async function payloadOf(volume: Volume, context: Context): Promise<Payload | undefined> {
  const { configMap, secret, downwardAPI, projected } = volume;
  if (configMap)
    return new Map(await project({ configMap: { ...configMap } }, configMap.defaultMode ?? DEFAULT_MODE, context));
  if (secret) {
    const { secretName, items, optional, defaultMode } = secret;
    const projection = { secret: { name: secretName, items, optional } };
    return new Map(await project(projection as VolumeProjection, defaultMode ?? DEFAULT_MODE, context));
  }
  if (downwardAPI) return new Map(await project({ downwardAPI }, downwardAPI.defaultMode ?? DEFAULT_MODE, context));
  if (!projected) return undefined;
  const parts: [string, ProjectedFile][] = [];
  const failures: Error[] = [];
  for (const source of projected.sources ?? [])
    try {
      parts.push(...(await project(source, projected.defaultMode ?? DEFAULT_MODE, context)));
    } catch (error) {
      if (!(error instanceof Error) || isOutOfReach(error)) throw error;
      failures.push(error);
    }
  if (failures.length > 0) throw new ProjectionFailed(aggregated(failures.map(({ message }) => message)));
  return new Map(parts);
}

/** The API does not answer: the other sources would have to wait for it as well. */
const isOutOfReach = (error: Error): boolean => error instanceof Unreachable;

/** As Go prints several errors: each once. */
function aggregated(messages: readonly string[]): string {
  const once = [...new Set(messages)];
  return once.length === 1 ? (once[0] ?? '') : `[${once.join(', ')}]`;
}

async function project(
  { configMap, secret, downwardAPI, serviceAccountToken }: VolumeProjection,
  mode: number,
  context: Context,
): Promise<[string, ProjectedFile][]> {
  const { pod, sources } = context;
  const namespace = pod.metadata.namespace ?? '';
  if (configMap) {
    const name = configMap.name ?? '';
    const found = await sources.configMap(namespace, name);
    if (!found && !configMap.optional) throw new ProjectionFailed(`configmap "${name}" not found`);
    return selected(dataOf(found), configMap, { mode, from: `configmap references non-existent config key` });
  }
  if (secret) {
    const name = secret.name ?? '';
    const found = await sources.secret(namespace, name);
    if (!found && !secret.optional) throw new ProjectionFailed(`secret "${name}" not found`);
    return selected(base64Data(found?.data), secret, { mode, from: `references non-existent secret key` });
  }
  if (downwardAPI) return downwardFiles(downwardAPI.items ?? [], mode, context);
  if (serviceAccountToken) {
    const content = bytes(await sources.serviceAccountToken(pod, serviceAccountToken));
    return [[serviceAccountToken.path, { content, ...tokenAccess(pod, mode) }]];
  }
  return []; // a source of a feature that is off: the API server has left it empty
}

function downwardFiles(
  items: readonly DownwardAPIVolumeFile[],
  mode: number,
  context: Context,
): [string, ProjectedFile][] {
  const failures: string[] = [];
  const files = items.flatMap((item): [string, ProjectedFile][] => {
    try {
      return [downwardFile(item, mode, context)];
    } catch (error) {
      if (!(error instanceof UnresolvedField)) throw error;
      failures.push(error.message);
      return [];
    }
  });
  if (failures.length > 0) throw new ProjectionFailed(aggregated(failures));
  return files;
}

const dataOf = (map: ConfigMap | undefined): Map<string, Uint8Array> =>
  new Map([
    ...Object.entries(map?.data ?? {}).map(([key, text]) => [key, bytes(text)] as const),
    ...base64Data(map?.binaryData),
  ]);
const base64Data = (data: Record<string, string> | undefined): Map<string, Uint8Array> =>
  new Map(Object.entries(data ?? {}).map(([key, text]) => [key, Buffer.from(text, 'base64')]));

function selected(
  data: Map<string, Uint8Array>,
  { items, optional }: { items?: KeyToPath[]; optional?: boolean },
  { mode, from }: { mode: number; from: string },
): [string, ProjectedFile][] {
  if (!items) return [...data].map(([key, content]) => [key, { content, mode }]);
  return items.flatMap((item): [string, ProjectedFile][] => {
    const content = data.get(item.key);
    if (content) return [[item.path, { content, mode: item.mode ?? mode }]];
    if (optional) return [];
    throw new ProjectionFailed(`${from}: ${item.key}`);
  });
}

function downwardFile(
  item: DownwardAPIVolumeFile,
  mode: number,
  { pod, sources, podIPs }: Context,
): [string, ProjectedFile] {
  const { node } = sources;
  const text = item.fieldRef
    ? fieldValue(item.fieldRef.fieldPath, pod, { node, podIPs })
    : item.resourceFieldRef
      ? resourceFieldValue(item.resourceFieldRef, pod, { own: undefined, node })
      : '';
  return [item.path, { content: bytes(text), mode: item.mode ?? mode }];
}

/** A token is for the pod's user only, where the pod has one. */
function tokenAccess({ spec }: Pod, mode: number): { mode: number; uid?: number } {
  const users = new Set(
    [...spec.containers, ...(spec.initContainers ?? [])].map(
      ({ securityContext }) => securityContext?.runAsUser ?? spec.securityContext?.runAsUser,
    ),
  );
  const [user] = users;
  if (users.size === 1 && user !== undefined) return { mode: 0o600, uid: user };
  return { mode: spec.securityContext?.fsGroup === undefined ? mode : 0o600 };
}
