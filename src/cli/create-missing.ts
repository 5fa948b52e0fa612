/** Creates what a manifest says and is not there yet. What is there stays as its owner has made it since. */
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '#api/machinery/object.ts';
import { hasReason } from '#api/machinery/status.ts';
import type { Transport } from '#client/transport.ts';
import { UserError } from './context.ts';
import { getObject } from './local-api.ts';

interface ResourceList {
  resources: { name: string; kind: string; namespaced: boolean }[];
}

/** @returns the objects as `deployment.apps/web` with whether each was created. */
export async function createMissing(api: Transport, manifest: string): Promise<{ name: string; isNew: boolean }[]> {
  const results: { name: string; isNew: boolean }[] = [];
  for (const document of parseAllDocuments(manifest)) {
    const object = document.toJS() as KubeObject | null;
    if (!object) continue;
    const isNew = await createOne(api, object);
    results.push({ name: `${object.kind.toLowerCase()}/${object.metadata.name}`, isNew });
  }
  return results;
}

async function createOne(api: Transport, object: KubeObject): Promise<boolean> {
  const path = await collectionOf(api, object);
  // As kubectl create --save-config: a later `kubectl apply` of the same file finds what it needs to compare.
  const annotations = {
    ...object.metadata.annotations,
    'kubectl.kubernetes.io/last-applied-configuration': `${JSON.stringify(object)}\n`,
  };
  // Asked first: a Service that is there would be refused for its port, which is taken (by itself).
  if (await getObject(api, `${path}/${object.metadata.name}`)) return false;
  try {
    await api.request({ method: 'POST', path, object: { ...object, metadata: { ...object.metadata, annotations } } });
    return true;
  } catch (error) {
    if (hasReason(error, 'AlreadyExists')) return false;
    throw error;
  }
}

async function collectionOf(api: Transport, { apiVersion, kind, metadata }: KubeObject): Promise<string> {
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const { resources } = (await api.request({ method: 'GET', path: root })).object as ResourceList;
  const resource = resources.find((each) => each.kind === kind && !each.name.includes('/'));
  if (!resource) throw new UserError(`the cluster does not know the kind ${kind} of ${apiVersion}`);
  return resource.namespaced
    ? `${root}/namespaces/${metadata.namespace ?? 'default'}/${resource.name}`
    : `${root}/${resource.name}`;
}
