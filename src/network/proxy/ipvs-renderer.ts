import { release } from 'node:os';
import {
  type FindDifferences,
  findDifferences,
  type HasRules,
  hasRules,
  type RunNft,
  runNft,
} from '#network/netfilter/nft.ts';
import { type Difference, TableContents } from '#network/netfilter/table-contents.ts';
import { inTurns, piecewise, turnOfOthers } from '#network/netfilter/turns.ts';
import type { Wanted } from './fronts.ts';
import { type Addresses, addressesIn, addressLines, DUMMY } from './ipvs-addresses.ts';
import { type IpvsNode, type IpvsParts, type IpvsState, ipvsPartsOf, ipvsStateOf } from './ipvs-rules.ts';
import { elementCommands, IPVS_WITNESS, ipvsTableCommands, ipvsTableName } from './ipvs-ruleset.ts';
import { areSame, readingListing, type ServerListing, serverChange, withoutFinished } from './ipvs-servers.ts';
import { type RunTool, runTool } from './ipvs-tools.ts';
import type { Renderer } from './renderer.ts';
import type { TableContext } from './ruleset.ts';

/** Upstream's. */
const DEFAULT_SCHEDULER = 'rr';

/** Some milliseconds' work. */
const SERVICES_AT_A_TIME = 500;

export interface IpvsOptions {
  /** How endpoints are chosen, by the kernel's name. */
  scheduler?: string | undefined;
  /** undefined: one is started for each change. */
  nft?: RunNft | undefined;
  /** For tests, as the rest. */
  run?: RunTool;
  hasRules?: HasRules;
  findDifferences?: FindDifferences;
}

/** What the kernel has. */
interface Applied extends IpvsState {
  node: IpvsNode;
}

/**
 * The mode `ipvs`: a virtual server of the kernel's for each address and port, the addresses on a device of their own, and rules
 * of nftables for what IPVS does not do. Neither ipvsadm nor ip has transactions: after a failure all is compared with the
 * kernel.
 */
export class IpvsRenderer implements Renderer {
  readonly witnesses: readonly string[];
  readonly #context: TableContext;
  readonly #scheduler: string;
  readonly #run: RunTool;
  readonly #nft: RunNft;
  readonly #hasRules: HasRules;
  readonly #findDifferences: FindDifferences;
  readonly #wanted = new Map<string, Wanted>();
  readonly #parts = new Map<string, IpvsParts>();
  /** undefined: not known. */
  #applied: Applied | undefined;

  constructor(context: TableContext, options: IpvsOptions = {}) {
    this.#context = context;
    this.#scheduler = options.scheduler || DEFAULT_SCHEDULER;
    this.#run = options.run ?? runTool;
    this.#nft = options.nft ?? runNft;
    this.#hasRules = options.hasRules ?? hasRules;
    this.#findDifferences = options.findDifferences ?? findDifferences;
    this.witnesses = [`${ipvsTableName(context.family)} ${IPVS_WITNESS}`];
  }

  forget(): void {
    this.#applied = undefined;
  }

  async put(changes: ReadonlyMap<string, Wanted | undefined>): Promise<void> {
    for (const [key, wanted] of changes) {
      if (wanted) this.#wanted.set(key, wanted);
      else this.#wanted.delete(key);
    }
    const known = this.#applied;
    this.#applied = undefined; // until all of it is done
    const now = known ?? (await this.#begin());
    await this.#render(known ? changes.keys() : new Set([...this.#parts.keys(), ...this.#wanted.keys()]), now.node);
    const { family } = this.#context;
    const wanted = await inTurns(ipvsStateOf(this.#parts.values(), family));
    const servers = await inTurns(serverChange(now.servers, wanted.servers));
    // Who is led somewhere finds it there, and an address is the node's only as long as the rules know it.
    await this.#restore(servers.first);
    await this.#changeAddresses('delete', now.addresses, wanted.addresses);
    const commands = known
      ? await inTurns(elementCommands(family, now.elements, wanted.elements))
      : await inTurns(ipvsTableCommands(this.#context, wanted.elements));
    if (commands.length > 0) await this.#nft(commands);
    await this.#restore(servers.last);
    await this.#changeAddresses('add', wanted.addresses, now.addresses);
    this.#applied = { ...wanted, servers: servers.after, node: now.node };
  }

  /**
   * Whether rules, virtual servers and addresses are as they were put, and the node has the addresses it had then: its ports are
   * answered at each. Endpoints that left are let go of here, once their last connection has ended.
   */
  isInForce(): Promise<boolean> {
    return this.#isAsApplied().catch(() => false); // why nobody can tell, the next `put` says
  }

  async #isAsApplied(): Promise<boolean> {
    const applied = this.#applied;
    if (!applied || !(await this.#hasRules(ipvsTableName(this.#context.family), IPVS_WITNESS))) return false;
    const { bound, node } = await this.#addresses();
    if (!isSame(bound, applied.addresses) || !isSame(new Set(node), new Set(applied.node.addresses))) return false;
    const listing = await this.#list();
    if (!(await inTurns(areSame(listing.servers, applied.servers)))) return false;
    const { lines, after } = withoutFinished(listing);
    if (lines.length === 0) return true;
    await this.#restore(lines);
    this.#applied = { ...applied, servers: after };
    return true;
  }

  /** The rest is compared at every look. */
  async differences(signal?: AbortSignal): Promise<readonly Difference[]> {
    if (!this.#applied) return [];
    const wanted = new TableContents([]);
    for (const command of await inTurns(ipvsTableCommands(this.#context, this.#applied.elements))) {
      wanted.add([command]);
      if (command.startsWith('add element')) await turnOfOthers();
      if (signal?.aborted) return [];
    }
    return this.#findDifferences(ipvsTableName(this.#context.family), wanted, signal);
  }

  async remove(): Promise<void> {
    this.forget();
    const { bound, boundOfAll } = await this.#addresses();
    if (boundOfAll !== undefined) {
      await this.#changeAddresses('delete', bound, new Set());
      if (boundOfAll === bound.size) await this.#run('ip', ['link', 'delete', DUMMY]);
    }
    await this.#restore([...(await this.#list()).servers.keys()].map((name) => `-D ${name}`));
    const table = ipvsTableName(this.#context.family);
    await this.#nft([`add table ${table}`, `delete table ${table}`]);
  }

  /** What is there already stays, as far as it is wanted. */
  async #begin(): Promise<Applied> {
    const { servers } = await this.#list();
    await this.#run('sysctl', ['-qw', ...settingsFor(release())]);
    const { bound, boundOfAll, node: addresses, broadcasts } = await this.#addresses();
    if (boundOfAll === undefined) await this.#makeDummy();
    const node = { family: this.#context.family, scheduler: this.#scheduler, addresses, broadcasts };
    return { servers, addresses: bound, elements: new Map(), node };
  }

  /** The proxy of the other family may do so at the same time. */
  async #makeDummy(): Promise<void> {
    await this.#run('ip', ['link', 'add', DUMMY, 'type', 'dummy']).catch((error: Error) => {
      if (!error.message.includes('File exists')) throw error;
    });
  }

  #render(keys: Iterable<string>, node: IpvsNode): Promise<void> {
    const renderOne = (key: string) => {
      const wanted = this.#wanted.get(key);
      if (wanted) this.#parts.set(key, ipvsPartsOf(wanted, node));
      else this.#parts.delete(key);
    };
    return inTurns(piecewise(keys, SERVICES_AT_A_TIME, renderOne));
  }

  async #list(): Promise<ServerListing> {
    return inTurns(readingListing(await this.#run('ipvsadm', ['-Ln']), this.#context.family));
  }

  async #addresses(): Promise<Addresses> {
    return addressesIn(await this.#run('ip', ['-j', 'address', 'show']), this.#context);
  }

  async #restore(lines: readonly string[]): Promise<void> {
    if (lines.length > 0) await this.#run('ipvsadm', ['--restore'], `${lines.join('\n')}\n`);
  }

  /** Those that the one has and the other has not. */
  async #changeAddresses(verb: 'add' | 'delete', of: ReadonlySet<string>, other: ReadonlySet<string>): Promise<void> {
    const lines = addressLines(
      verb,
      [...of].filter((ip) => !other.has(ip)),
    );
    if (lines.length > 0) await this.#run('ip', ['-batch', '-'], `${lines.join('\n')}\n`);
  }
}

const isSame = (one: ReadonlySet<string>, other: ReadonlySet<string>): boolean =>
  one.size === other.size && [...one].every((ip) => other.has(ip));

/** As upstream sets them. From 5.9 on the kernel lets a client use a port again without a wait of a second. */
export function settingsFor(kernel: string): string[] {
  const [major = 0, minor = 0] = kernel.split('.').map(Number);
  const settings = ['conntrack=1', 'expire_nodest_conn=1', 'expire_quiescent_template=1'];
  if (major < 5 || (major === 5 && minor < 9)) settings.push('conn_reuse_mode=0');
  return settings.map((setting) => `net.ipv4.vs.${setting}`);
}
