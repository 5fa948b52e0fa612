/** Long lists, a page at a time. */
import { pathOf } from './served-resources.ts';
import type { Asked, Target, TargetOptions } from './targets.ts';
import type { VerbCall } from './verb.ts';

export interface Page {
  metadata?: { continue?: string; resourceVersion?: string };
  items?: { apiVersion?: string; kind?: string; metadata: { name: string; namespace?: string } }[];
}

type PageOptions = TargetOptions & Partial<Asked>;

/** The pages of a list, in order. */
export async function* pagesOf(
  { cluster }: VerbCall,
  { resource, namespace }: Pick<Target, 'resource' | 'namespace'>,
  options: PageOptions,
): AsyncIterable<Page> {
  const { selector, fieldSelector, chunkSize = 500, accept, query } = options;
  let token = '';
  do {
    const path = pathOf(resource, {
      namespace,
      query: { ...query, labelSelector: selector, fieldSelector, limit: chunkSize || undefined, continue: token },
    });
    const page = (await cluster.request({ method: 'GET', path, ...(accept && { accept }) })).object as Page;
    yield page;
    token = page.metadata?.continue ?? '';
  } while (token);
}
