/**
 * Pods with `hostUsers: false`: each has users and groups of its own, which are nobody on the node. A pod that cannot have
 * them does not run, because one that silently ran as the node's users would be less safe than it says.
 * Source: KEP-127; texts are upstream's.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pod } from '#api/generated/schema.ts';
import { type Random, wholeBelow } from '#base/random.ts';
import type { RuntimeHandler } from '#node/runtime/runtime.ts';
import type { UserNamespace } from '#node/runtime/security-context.ts';
import { SyncFailed } from '../sync-failed.ts';
import type { IdRange } from './id-range.ts';
import { mappingsOf, readMappings, removeMappings, writeMappings } from './mappings-file.ts';

/** The message is what the event says behind `Failed to create pod sandbox: `. */
export class NoUserNamespace extends SyncFailed {}

/** Every range is as long, or a multiple of it, and begins at a multiple of its length. */
export const IDS_UNIT = 65_536;

/** Means nobody at all: the kernel refuses mappings that reach it. Source: user_namespaces(7). */
const NO_ID = 2 ** 32 - 1;

export const NODE_USERS: UserNamespace = { mode: 'NODE', uids: [], gids: [] };

export interface UserNamespacesOptions {
  /** The kubelet's folder. */
  root: string;
  maxPods: number;
  /** How many users a pod has. */
  idsPerPod: number;
  /** What there is to be given. */
  range: IdRange;
  random: Random;
}

export class UserNamespaces {
  /** How many pods with users of their own were begun, and how many of them could not be. */
  readonly starts = { all: 0, failed: 0 };
  readonly #options: UserNamespacesOptions;
  /** The first id of each pod that has been given some, by uid. */
  readonly #given = new Map<string, number>();
  readonly #taken = new Set<number>();

  private constructor(options: UserNamespacesOptions) {
    this.#options = options;
  }

  /** With what pods were given by an earlier kubelet. Throws where it would have to give the same ids to two. */
  static async open(options: UserNamespacesOptions): Promise<UserNamespaces> {
    const problem = problemOf(options);
    if (problem) throw new Error(`create user namespace manager: ${problem}`);
    const namespaces = new UserNamespaces(options);
    await Promise.all((await foldersIn(join(options.root, 'pods'))).map((podUid) => namespaces.#restore(podUid)));
    return namespaces;
  }

  /** What it was given before; the node's users where it asks for no others. undefined: it is to be given some. */
  of({ metadata, spec }: Pod): UserNamespace | undefined {
    if (spec.hostUsers !== false) return NODE_USERS;
    const first = this.#given.get(metadata.uid);
    return first === undefined ? undefined : this.#namespaceAt(first);
  }

  /** @param handlers of the runtime, of which that of the name would run it. @throws NoUserNamespace */
  async give(pod: Pod, handlerName: string, handlers: readonly RuntimeHandler[]): Promise<UserNamespace> {
    const refusal = refusalOf(handlerName, handlers);
    if (refusal !== undefined) throw new NoUserNamespace(refusal);
    const { uid } = pod.metadata;
    const known = this.#given.get(uid);
    const first = known ?? this.#take(uid);
    try {
      await writeMappings(this.#folderOf(uid), { first, length: this.#options.idsPerPod });
    } catch (error) {
      if (known === undefined) this.#forget(uid); // else there may be files of theirs
      if (!(error instanceof Error && 'code' in error)) throw error;
      throw new NoUserNamespace(`create user namespace: ${error.message}`, { cause: error });
    }
    return this.#namespaceAt(first);
  }

  /** Nothing of the pod is left that could belong to its users. */
  async release(podUid: string): Promise<void> {
    if (!this.#given.has(podUid)) return;
    await removeMappings(this.#folderOf(podUid));
    this.#forget(podUid);
  }

  #take(podUid: string): number {
    const { range, idsPerPod, random } = this.#options;
    const slots = range.length / idsPerPod;
    const begin = wholeBelow(random, slots);
    for (let i = 0; i < slots; i++) {
      const first = range.first + ((begin + i) % slots) * idsPerPod;
      if (this.#taken.has(first) || first + idsPerPod > NO_ID) continue;
      this.#note(podUid, first);
      return first;
    }
    throw new NoUserNamespace('create user namespace: could not find an empty slot to allocate a user namespace');
  }

  async #restore(podUid: string): Promise<void> {
    const fail = (why: string) =>
      new Error(
        `create user namespace manager: record pod mappings for existing pod ${JSON.stringify(podUid)}: ${why}`,
      );
    const found = await readMappings(this.#folderOf(podUid)).catch((error: Error) => {
      throw fail(error.message);
    });
    if (!found) return;
    const { range, idsPerPod } = this.#options;
    if (found.length !== idsPerPod) throw fail(`wrong user namespace length ${found.length}`);
    if (found.first % idsPerPod !== 0) throw fail(`wrong user namespace offset specified ${found.first}`);
    if (found.first < range.first || found.first >= range.first + range.length)
      throw fail(`id ${found.first} is out of range`);
    if (this.#taken.has(found.first)) throw fail(`range picked for pod ${JSON.stringify(podUid)} already taken`);
    this.#note(podUid, found.first);
  }

  #note(podUid: string, first: number): void {
    this.#given.set(podUid, first);
    this.#taken.add(first);
  }

  #forget(podUid: string): void {
    this.#taken.delete(this.#given.get(podUid) ?? -1);
    this.#given.delete(podUid);
  }

  #namespaceAt(first: number): UserNamespace {
    const mappings = mappingsOf({ first, length: this.#options.idsPerPod });
    return { mode: 'POD', uids: mappings, gids: mappings };
  }

  #folderOf(podUid: string): string {
    return join(this.#options.root, 'pods', podUid);
  }
}

function problemOf({ idsPerPod, maxPods, range: { first, length } }: UserNamespacesOptions): string | undefined {
  if (idsPerPod % IDS_UNIT !== 0) return `kubelet user namespace length ${idsPerPod} is not a multiple of ${IDS_UNIT}`;
  if (first % idsPerPod !== 0) return `kubelet user assigned ID ${first} is not a multiple of ${idsPerPod}`;
  if (first < idsPerPod) return `kubelet user assigned ID ${first} must be greater or equal to ${idsPerPod}`;
  if (length % idsPerPod !== 0) return `kubelet user assigned IDs length ${length} is not a multiple of ${idsPerPod}`;
  if (length / idsPerPod < maxPods) return `kubelet user assigned IDs are not enough to support ${maxPods} pods`;
  return undefined;
}

/** A runtime that says nothing of its handlers (containerd before 2.0) knows none. */
function refusalOf(handlerName: string, handlers: readonly RuntimeHandler[]): string | undefined {
  const what = handlerName ? `RuntimeClass handler ${JSON.stringify(handlerName)}` : 'runtime';
  const refusal = `can't set \`spec.hostUsers: false\`, ${what} does not support user namespaces`;
  const handler = handlers.find(({ name }) => name === handlerName);
  if (!handler) return `${refusal}: the handler ${JSON.stringify(handlerName)} is not known`;
  return handler.userNamespaces ? undefined : refusal;
}

async function foldersIn(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}
