/**
 * What a node's containerd has begun and knows nothing of: it was killed in the middle of a step, or the call was broken off.
 * containerd writes a container's record before it makes anything else of it (network namespace, address, bundle, shim, in
 * this order) and deletes it last, so what stays without a record is nobody's. Source: containerd 1.6 and 1.7,
 * pkg/cri/server/sandbox_run.go, sandbox_remove.go, runtime/v2/manager.go.
 *
 * From 2.0 on a sandbox has its network before its container has a record, and a lease for as long as it lives. Both are in
 * a record of its own, which a containerd that begins again reads: of these only containers are looked for. Source:
 * containerd 2.1, internal/cri/server/sandbox_run.go, podsandbox/sandbox_run.go.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type BegunCommand, commandsOfKilledBuilds } from './killed-builds.ts';
import { containerdTool, type ImageNamespace } from './node-images.ts';
import type { NodeLayout } from './node-layout.ts';
import { processIds, readOrUndefined } from './process-record.ts';
import { mountNamespaceOf } from './process-tree.ts';
import { CommandFailed, run } from './run-command.ts';

export type RuntimePlaces = Pick<
  NodeLayout,
  'runDir' | 'containerdSocket' | 'containerdState' | 'containerdRoot' | 'runcRoot' | 'cniStateDir'
>;

/** As the node sees itself. */
export interface NodeView {
  places: RuntimePlaces;
  /** Of the node's own processes: a shim that is not in it is another node's. */
  mountNamespace: string;
}

/** A container is all that has its id: shim and what runs in it, runc's state, bundle. */
export type Leftover =
  | { sort: 'container'; id: string }
  /** Of a container whose record says that it is over: for as long as it has a task neither it nor its pod can be removed. */
  | { sort: 'task'; id: string }
  /** Of an image's build that was killed: its container, in a namespace of containerd of its own. */
  | ({ sort: 'build' } & BegunCommand)
  | { sort: 'network namespace'; path: string }
  | { sort: 'address'; id: string; path: string }
  /** Of a sandbox that has a record: with it its network cannot be taken down, without it can. */
  | { sort: 'torn result'; path: string }
  | { sort: 'lease'; id: string };

/** Nobody but the CRI gives such ids. */
const CONTAINER_ID = /^[0-9a-f]{64}$/;

export class RuntimeLeftovers {
  readonly #view: NodeView;
  /** Network namespaces that a record once named: the CRI takes them away itself. */
  #claimed: ReadonlySet<string> = new Set();
  /** Files of libcni's that were read and are whole. */
  #whole: ReadonlySet<string> = new Set();
  /** Of this containerd: it is another one's view when it begins again. */
  #isRecordFirst: boolean | undefined;

  constructor(view: NodeView) {
    this.#view = view;
  }

  /**
   * What is without a record now. A single look proves nothing: a record is deleted a moment before its last process ends.
   * Throws CommandFailed when containerd does not answer.
   */
  async find(): Promise<Leftover[]> {
    const { places } = this.#view;
    const builds = (await commandsOfKilledBuilds(places)).map((command) => ({ sort: 'build' as const, ...command }));
    return [...(await this.#findOwnerless()), ...(await tasksOfEnded(places)), ...builds];
  }

  async #findOwnerless(): Promise<Leftover[]> {
    const { places } = this.#view;
    const containers = new Set([...shimsOf(this.#view).keys(), ...(await idsOnDisk(places))]);
    const found: Leftover[] = [
      ...[...containers].map((id) => ({ sort: 'container' as const, id })),
      ...((await this.#recordIsFirst()) ? [...(await addressesOf(places)), ...(await this.#newNetworks())] : []),
    ];
    // The CRI's own folders are there for as long as a record, and cost no call.
    const known = await criFolders(places);
    const torn = await this.#tornResults(known);
    const lost = found.filter((each) => !('id' in each && known.has(each.id)));
    if (lost.length === 0) return torn;
    const records = new Set(lines(await tool(places, 'containers', 'list', '--quiet')));
    const ofNobody = lost.filter((each) => !('id' in each && records.has(each.id)));
    return [...torn, ...(await this.#withoutClaimed(ofNobody, records))];
  }

  /** What libcni was just writing when it was killed. Each file is written once. Source: containerd issue 8197. */
  async #tornResults(known: ReadonlySet<string>): Promise<Leftover[]> {
    const names = await networkResultsOf(known);
    const unread = names.filter((name) => !this.#whole.has(name));
    const torn = await Promise.all(unread.map(async (name) => !isJson(await textOf(join(NETWORK_RESULTS, name)))));
    const tornNames = new Set(unread.filter((_name, index) => torn[index]));
    this.#whole = new Set(names.filter((name) => !tornNames.has(name)));
    return [...tornNames].map((name) => ({ sort: 'torn result', path: join(NETWORK_RESULTS, name) }));
  }

  /** Those of operations that a former containerd was in: nobody gives them back for a day, and what they hold stays as long. */
  async leasesBefore(startedMs: number): Promise<Leftover[]> {
    if (!(await this.#recordIsFirst())) return [];
    const [, ...leases] = lines(await tool(this.#view.places, 'leases', 'list'));
    return leases.flatMap((line) => {
      const [id = '', createdAt = ''] = line.trim().split(/\s+/);
      return createdMs(id, createdAt) < startedMs ? [{ sort: 'lease' as const, id }] : [];
    });
  }

  /** Whether a sandbox's container has its record before anything else of it is made. */
  async #recordIsFirst(): Promise<boolean> {
    this.#isRecordFirst ??= /^Server:\s+Version:\s+v?1\./m.test(await tool(this.#view.places, 'version'));
    return this.#isRecordFirst;
  }

  async #newNetworks(): Promise<Leftover[]> {
    const folder = join(this.#view.places.containerdState, CRI, 'netns');
    const paths = (await namesIn(folder)).filter((name) => name.startsWith('cni-')).map((name) => join(folder, name));
    this.#claimed = new Set(paths.filter((path) => this.#claimed.has(path)));
    const fresh = paths.filter((path) => !this.#claimed.has(path));
    if (fresh.length === 0) return [];
    const { bundles } = foldersOfContainers(this.#view.places);
    for (const id of await namesIn(bundles)) this.#claim(fresh, await textOf(join(bundles, id, 'config.json')));
    return fresh.filter((path) => !this.#claimed.has(path)).map((path) => ({ sort: 'network namespace', path }));
  }

  /** A pod that has ended, or has just begun, is named by its record alone. */
  async #withoutClaimed(lost: readonly Leftover[], records: Iterable<string>): Promise<Leftover[]> {
    const paths = lost.flatMap((each) => (each.sort === 'network namespace' ? each.path : []));
    if (paths.length > 0) for (const id of records) this.#claim(paths, await textOfRecord(this.#view.places, id));
    return lost.filter((each) => !(each.sort === 'network namespace' && this.#claimed.has(each.path)));
  }

  #claim(paths: readonly string[], text: string): void {
    this.#claimed = new Set([...this.#claimed, ...paths.filter((path) => text.includes(`"${path}"`))]);
  }
}

/** The list has whole seconds; the id begins with the nanoseconds. Source: containerd 1.6, leases/id.go. */
export const createdMs = (id: string, createdAt: string): number =>
  Date.parse(createdAt) + (/^\d{1,9}(?=-)/.test(id) ? Math.floor(Number.parseInt(id, 10) / 1e6) : 999);

/** The processes that hold the node's containers, by container: a pod's sandbox gives the id. */
export function shimsOf({ places, mountNamespace }: NodeView): Map<string, number[]> {
  const shims = new Map<string, number[]>();
  for (const pid of processIds()) {
    const id = idOfShim(readOrUndefined(`/proc/${pid}/cmdline`) ?? '', places.containerdSocket);
    if (id && mountNamespaceOf(pid) === mountNamespace) shims.set(id, [...(shims.get(id) ?? []), pid]);
  }
  return shims;
}

/** @param commandLine as in /proc: each argument ends with a zero byte */
export function idOfShim(commandLine: string, containerdSocket: string): string | undefined {
  const [program = '', ...args] = commandLine.split('\0');
  if (!program.endsWith('/containerd-shim-runc-v2')) return undefined;
  const after = (flag: string) => args[args.indexOf(flag) + 1] ?? '';
  const isOurs = after('-namespace') === NAMESPACE && after('-address') === containerdSocket;
  return isOurs && CONTAINER_ID.test(after('-id')) ? after('-id') : undefined;
}

export const NAMESPACE = 'k8s.io';

/** Where containers' bundles and what belongs to them are: folders named by id. One that is being deleted has a dot before it. */
export const foldersOfContainers = (
  { containerdState, containerdRoot, runcRoot }: RuntimePlaces,
  namespace: ImageNamespace = NAMESPACE,
) => ({
  bundles: join(containerdState, 'io.containerd.runtime.v2.task', namespace),
  work: join(containerdRoot, 'io.containerd.runtime.v2.task', namespace),
  runc: join(runcRoot, namespace),
});

async function idsOnDisk(places: RuntimePlaces): Promise<string[]> {
  const names = await Promise.all(Object.values(foldersOfContainers(places)).map(namesIn));
  return names
    .flat()
    .map((name) => name.replace(/^\./, ''))
    .filter((name) => CONTAINER_ID.test(name));
}

/**
 * The CRI deletes a task before it writes down that its container is over, for ever, and does not look at it again. But where
 * StartContainer is broken off when the task has just been made, it is written down, and nobody deletes the task: it is there
 * with the process that waits to become the container's. Source: containerd 1.6 to 2.1, services/tasks/local.go, Create
 * ("failed to get task pid"); pkg/cri/server/container_start.go, container_remove.go.
 */
async function tasksOfEnded(places: RuntimePlaces): Promise<Leftover[]> {
  const ids = (await namesIn(foldersOfContainers(places).bundles)).filter((name) => CONTAINER_ID.test(name));
  const ended = await Promise.all(ids.map((id) => isOver(places, id)));
  return ids.filter((_id, index) => ended[index]).map((id) => ({ sort: 'task', id }));
}

/** False as well of what is no container, or has none of the CRI's records any more. */
async function isOver({ containerdRoot }: RuntimePlaces, id: string): Promise<boolean> {
  const text = await textOf(join(containerdRoot, CRI, 'containers', id, 'status'));
  if (!isJson(text)) return false;
  const { FinishedAt: finishedAt = 0 } = JSON.parse(text) as { FinishedAt?: number };
  return finishedAt > 0;
}

/** The ids of all that the CRI of a node has a record of. */
export async function criFolders({ containerdRoot }: Pick<RuntimePlaces, 'containerdRoot'>): Promise<Set<string>> {
  const root = join(containerdRoot, CRI);
  return new Set([...(await namesIn(join(root, 'sandboxes'))), ...(await namesIn(join(root, 'containers')))]);
}

const CRI = 'io.containerd.grpc.v1.cri';

/** What libcni keeps of each network that it made, named NETWORK-CONTAINER-INTERFACE. Source: libcni/api.go, CacheDir. */
export const NETWORK_RESULTS = '/var/lib/cni/results';

/** The names of the files of these containers: the folder is the whole machine's. */
export const networkResultsOf = async (ids: ReadonlySet<string>): Promise<string[]> =>
  (await namesIn(NETWORK_RESULTS)).filter((name) => ids.has(/-([0-9a-f]{64})-/.exec(name)?.[1] ?? ''));

/** What host-local has given to a container: a file named by the address, with the container's id as its first line. */
async function addressesOf({ cniStateDir }: RuntimePlaces): Promise<Extract<Leftover, { sort: 'address' }>[]> {
  const found: Extract<Leftover, { sort: 'address' }>[] = [];
  for (const network of await namesIn(cniStateDir))
    for (const name of (await namesIn(join(cniStateDir, network))).filter((each) => /^[0-9a-f.:]+$/.test(each))) {
      const path = join(cniStateDir, network, name);
      const id = (await textOf(path)).split(/\s/)[0] ?? '';
      if (CONTAINER_ID.test(id)) found.push({ sort: 'address', id, path });
    }
  return found;
}

/** JSON. Empty: it was deleted since it was listed. */
const textOfRecord = (places: RuntimePlaces, id: string): Promise<string> =>
  tool(places, 'containers', 'info', id).catch((error: unknown) => {
    if (error instanceof CommandFailed && /not found/.test(error.stderr)) return '';
    throw error;
  });

const tool = (places: RuntimePlaces, ...args: string[]): Promise<string> => run(criTool(places, ...args));

/** containerd's own tool, in the namespace of the CRI. */
export const criTool = (places: RuntimePlaces, ...args: string[]): string[] =>
  containerdTool(places, NAMESPACE, ...args);

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

const lines = (text: string): string[] => text.split('\n').filter(Boolean);

const namesIn = (folder: string): Promise<string[]> => readdir(folder).catch(absent([]));
const textOf = (path: string): Promise<string> => readFile(path, 'utf8').catch(absent(''));

/** Things go while they are looked at. */
const absent =
  <T>(value: T) =>
  (error: NodeJS.ErrnoException): T => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return value;
    throw error;
  };
