/**
 * The clients that the kernel remembers for session affinity, taken over into a table that is built anew: a client stays with its
 * endpoint when this process starts again, as upstream's do. One that comes for the first time just while the rules are
 * replaced may be sent elsewhere once. Source: nft(8).
 */
import { execFile } from 'node:child_process';

/** What nft lists of the sets of a table, `ip kube-proxy`. */
export type ListSets = (table: string) => Promise<string>;

const LONGEST_MS = 30_000;
const MOST_LISTED = 256 << 20; // bytes

/** Of one that cannot be asked for there is nothing. */
export const listSets: ListSets = (table) =>
  new Promise((resolve) => {
    const options = { timeout: LONGEST_MS, maxBuffer: MOST_LISTED };
    execFile('nft', ['list', 'sets', 'table', ...table.split(' ')], options, (error, listing) =>
      resolve(error ? '' : listing),
    );
  });

/** By set of clients: its elements, each with how long it is remembered yet. */
export type Clients = ReadonlyMap<string, readonly string[]>;

const SET = /^\s*set (aff-of-[0-9a-f]+) \{[^{}]*elements = \{([^{}]*)\}/gm;
/** `10.244.1.7 expires 2h59m49s456ms`. What ends just now would be taken for one without an end. */
const CLIENT = /^[0-9a-f.:]+ (timeout \w+ )?expires (?!0s$)\w+$/;

/** @param listing of `nft list sets`. */
export function clientsIn(listing: string): Clients {
  const clients = new Map<string, string[]>();
  for (const [, set = '', elements = ''] of listing.matchAll(SET)) {
    const known = elements.split(',').flatMap((element) => {
      const text = element.trim();
      return CLIENT.test(text) ? [text] : [];
    });
    if (known.length > 0) clients.set(set, known);
  }
  return clients;
}

/** Commands that build a table, and after each that makes a set of clients one that fills it. */
export function* remembering(parts: Iterable<readonly string[]>, clients: Clients): Generator<readonly string[]> {
  for (const commands of parts) {
    if (clients.size === 0) {
      yield commands;
      continue;
    }
    yield commands.flatMap((command) => {
      const [, table, set = ''] = /^add set (\S+ \S+) (aff-of-[0-9a-f]+) /.exec(command) ?? [];
      const known = clients.get(set);
      return known ? [command, `add element ${table} ${set} { ${known.join(', ')} }`] : [command];
    });
  }
}
