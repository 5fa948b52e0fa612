/** One object as the server has it now. */
import { hasReason } from '#api/machinery/status.ts';
import { pathOf } from './served-resources.ts';
import type { Target, TargetOptions } from './targets.ts';
import type { VerbCall } from './verb.ts';

export async function fetchedTarget({ cluster }: VerbCall, target: Target, options: TargetOptions): Promise<Target> {
  const { accept, query, subresource } = options;
  const path = pathOf(target.resource, { ...target, subresource, query: query ?? {} });
  try {
    const { object } = await cluster.request({ method: 'GET', path, ...(accept && { accept }) });
    return { ...target, object };
  } catch (error) {
    await refuseIfNoNamespace(cluster, target, error);
    throw error;
  }
}

/** What is not found because its whole namespace is not there is told so. Source: cli-runtime, Info.Get. */
async function refuseIfNoNamespace(
  cluster: VerbCall['cluster'],
  { resource, namespace }: Target,
  error: unknown,
): Promise<void> {
  if (!isNotFound(error) || !resource.isNamespaced || !namespace || namespace === 'default') return;
  try {
    await cluster.get(`/api/v1/namespaces/${encodeURIComponent(namespace)}`);
  } catch (absent) {
    if (isNotFound(absent)) throw absent; // whoever may not look is told of the object alone
  }
}

export const isNotFound = (error: unknown): boolean => hasReason(error, 'NotFound');
