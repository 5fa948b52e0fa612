import { RegistryError } from './registry-error.ts';

const MOST = 1_000;

export interface Page {
  page: readonly string[];
  /** The query of the next page; undefined: this is the last. */
  next?: string;
}

/** `n` names after `last` of a sorted list. Source: OCI distribution specification 1.1, "Listing Tags". */
export function pageOf(all: readonly string[], query: URLSearchParams): Page {
  const said = query.get('n');
  if (said !== null && !/^\d{1,9}$/.test(said)) {
    throw new RegistryError('UNSUPPORTED', 'invalid number of results requested', { status: 400 });
  }
  const count = Math.min(said === null ? MOST : Number(said), MOST);
  const last = query.get('last');
  const rest = last === null ? all : all.filter((name) => name > last);
  const page = rest.slice(0, count);
  if (page.length === 0 || page.length === rest.length) return { page };
  return { page, next: new URLSearchParams({ n: String(count), last: page.at(-1) ?? '' }).toString() };
}
