/** The users and groups of the machine that pods may be given. Source: "User Namespaces", set up a node; texts are upstream's. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { readText } from '../read-text.ts';

/** `length` ids from `first` on, for users as for groups. */
export interface IdRange {
  first: number;
  length: number;
}

/** What the machine is asked. */
export interface Accounts {
  /** The text of /etc/passwd. */
  passwd(): string;
  /** What `getsubids` prints; undefined where there is no such program. Throws what it failed with. */
  getsubids(args: readonly string[]): Promise<string | undefined>;
}

const KUBELET = 'kubelet';
const ALL_IDS = 2 ** 32;
const DEADLINE_MS = 10_000;

/**
 * Those that are kept for the user `kubelet`, where the machine has one and can say; else all but the first, which are the
 * machine's own.
 */
export async function idRangeOf(idsPerPod: number, accounts: Accounts = systemAccounts): Promise<IdRange> {
  const all = { first: idsPerPod, length: ALL_IDS - (ALL_IDS % idsPerPod) - idsPerPod };
  // Only one who is there can have any: a directory that does not answer is told apart from one without an entry.
  if (
    !accounts
      .passwd()
      .split('\n')
      .some((line) => line.startsWith(`${KUBELET}:`))
  )
    return all;
  const users = await subordinates(accounts, 'uids', [KUBELET]);
  if (users === undefined) return all;
  if (users !== (await subordinates(accounts, 'gids', ['-g', KUBELET])))
    throw new Error(`mismatched subuids and subgids for user "${KUBELET}"`);
  return rangeIn(users);
}

async function subordinates(accounts: Accounts, what: string, args: readonly string[]): Promise<string | undefined> {
  try {
    return await accounts.getsubids(args);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`error retrieving additional ${what} for user "${KUBELET}": ${why}`, { cause: error });
  }
}

/** `0: kubelet 65536 2147483648` */
function rangeIn(output: string): IdRange {
  const lines = output.replace(/^\n+|\n+$/g, '').split('\n');
  if (lines.length !== 1)
    throw new Error(`error parsing line ${JSON.stringify(output)}: it must contain only one line`);
  const parts = (lines[0] ?? '').split(/\s+/).filter(Boolean);
  if (parts.length !== 4) throw new Error(`invalid line ${JSON.stringify(output)}`);
  const [first, length] = parts.slice(2).map(Number);
  if (!isId(first) || !isId(length)) throw new Error(`error parsing line ${JSON.stringify(output)}`);
  return { first, length };
}

const isId = (value: number | undefined): value is number => Number.isInteger(value) && Number(value) < ALL_IDS;

const run = promisify(execFile);
const systemAccounts: Accounts = {
  passwd: () => readText('/etc/passwd'),
  async getsubids(args) {
    try {
      return (await run('getsubids', [...args], { timeout: DEADLINE_MS })).stdout;
    } catch (error) {
      const { code } = error as { code?: unknown };
      if (code === 'ENOENT') return undefined;
      throw typeof code === 'number' ? new Error(`exit status ${code}`, { cause: error }) : error;
    }
  },
};
