import {
  type FillTable,
  type FindDifferences,
  fillTable,
  findDifferences,
  type HasRules,
  hasRules,
  type RunNft,
  runNft,
} from '#network/netfilter/nft.ts';
import { type Difference, TableContents } from '#network/netfilter/table-contents.ts';
import { turnOfOthers } from '#network/netfilter/turns.ts';
import type { Wanted } from './fronts.ts';
import { ProxyTable } from './proxy-table.ts';
import { type Clients, clientsIn, type ListSets, listSets, remembering } from './remembered-clients.ts';
import type { Renderer } from './renderer.ts';
import { type TableContext, tableName } from './ruleset.ts';

const WITNESS = 'prerouting';
const NO_CHANGES: ReadonlyMap<string, undefined> = new Map();
const NOBODY: Clients = new Map();

/** For tests. */
export interface NftTools {
  nft?: RunNft | undefined;
  fillTable?: FillTable | undefined;
  hasRules?: HasRules | undefined;
  findDifferences?: FindDifferences | undefined;
  listSets?: ListSets | undefined;
}

/** The mode `nftables`: elements of maps. */
export class NftRenderer implements Renderer {
  readonly witnesses: readonly string[];
  readonly #table: ProxyTable;
  readonly #name: string;
  readonly #nft: RunNft;
  readonly #fillTable: FillTable | undefined;
  readonly #hasRules: HasRules;
  readonly #findDifferences: FindDifferences;
  readonly #listSets: ListSets;
  /** They were in what was last put, which failed, perhaps because of them: better that they move than that nobody has rules. */
  #areClientsDoubtful = false;

  constructor(context: TableContext, tools: NftTools = {}) {
    this.#table = new ProxyTable(context);
    this.#name = tableName(context.family);
    this.witnesses = [`${this.#name} ${WITNESS}`];
    this.#nft = tools.nft ?? runNft;
    this.#fillTable = tools.fillTable ?? (tools.nft ? undefined : fillTable); // no kernel but that of who gives one
    this.#hasRules = tools.hasRules ?? hasRules;
    this.#findDifferences = tools.findDifferences ?? findDifferences;
    this.#listSets = tools.listSets ?? listSets;
  }

  forget(): void {
    this.#table.forget();
  }

  async put(changes: ReadonlyMap<string, Wanted | undefined>): Promise<void> {
    const clients = await this.#clients(changes);
    this.#areClientsDoubtful = clients.size > 0;
    if (this.#fillTable && this.#table.isFilling(changes)) {
      const { parts, applied } = this.#table.filling(changes);
      await this.#fillTable(this.#name, remembering(parts, clients));
      applied();
    } else {
      const { commands, applied } = this.#table.commandsFor(changes);
      if (commands.length > 0) await this.#nft([...remembering([commands], clients)].flat());
      applied();
    }
    this.#areClientsDoubtful = false;
  }

  async #clients(changes: ReadonlyMap<string, Wanted | undefined>): Promise<Clients> {
    if (this.#areClientsDoubtful || !this.#table.isToRemember(changes)) return NOBODY;
    return clientsIn(await this.#listSets(this.#name));
  }

  isInForce(): Promise<boolean> {
    return this.#hasRules(this.#name, WITNESS);
  }

  async differences(signal?: AbortSignal): Promise<readonly Difference[]> {
    const wanted = new TableContents([]);
    for (const commands of this.#table.filling(NO_CHANGES).parts) {
      wanted.add(commands);
      await turnOfOthers();
      if (signal?.aborted) return [];
    }
    return this.#findDifferences(this.#name, wanted, signal);
  }

  async remove(): Promise<void> {
    await this.#nft([`add table ${this.#name}`, `delete table ${this.#name}`]);
    this.forget();
  }
}
