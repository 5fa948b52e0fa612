/** What components of this process say of themselves, under `/debug/`. Who may read it is the authorizer's to say, by path. */

/** JSON. `rest`: what stands behind the page's own path. undefined: there is nothing of that name. */
export type DebugPage = (rest: string) => object | undefined | Promise<object | undefined>;

/** By path; one that ends with `/` answers for all that is below. May grow. */
export type DebugPages = ReadonlyMap<string, DebugPage>;

export async function debugAnswer(pages: DebugPages | undefined, path: string): Promise<object | undefined> {
  if (!pages) return undefined;
  const page = pages.get(path);
  if (page) return page('');
  for (const [prefix, below] of pages)
    if (prefix.endsWith('/') && path.startsWith(prefix)) return below(path.slice(prefix.length));
  return undefined;
}
