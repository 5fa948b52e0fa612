import { type HasRules, type HoldsAll, hasRules, holdsAll, type RunNft, runNft } from '#network/netfilter/nft.ts';
import { TableContents, turnOfOthers } from '#network/netfilter/table-contents.ts';
import type { Wanted } from './fronts.ts';
import { ProxyTable } from './proxy-table.ts';
import type { Renderer } from './renderer.ts';
import { type TableContext, tableName } from './ruleset.ts';

const WITNESS = 'prerouting';

/** For tests. */
export interface NftTools {
  nft?: RunNft | undefined;
  hasRules?: HasRules | undefined;
  holdsAll?: HoldsAll | undefined;
}

/** The mode `nftables`: elements of maps. */
export class NftRenderer implements Renderer {
  readonly witnesses: readonly string[];
  readonly #table: ProxyTable;
  readonly #name: string;
  readonly #nft: RunNft;
  readonly #hasRules: HasRules;
  readonly #holdsAll: HoldsAll;

  constructor(context: TableContext, tools: NftTools = {}) {
    this.#table = new ProxyTable(context);
    this.#name = tableName(context.family);
    this.witnesses = [`${this.#name} ${WITNESS}`];
    this.#nft = tools.nft ?? runNft;
    this.#hasRules = tools.hasRules ?? hasRules;
    this.#holdsAll = tools.holdsAll ?? holdsAll;
  }

  forget(): void {
    this.#table.forget();
  }

  async put(changes: ReadonlyMap<string, Wanted | undefined>): Promise<void> {
    const { commands, applied } = this.#table.commandsFor(changes);
    if (commands.length > 0) await this.#nft(commands);
    applied();
  }

  isInForce(): Promise<boolean> {
    return this.#hasRules(this.#name, WITNESS);
  }

  async isWhole(signal?: AbortSignal): Promise<boolean> {
    const wanted = new TableContents([]);
    for (const commands of this.#table.wholeCommands()) {
      wanted.add(commands);
      await turnOfOthers();
      if (signal?.aborted) return true;
    }
    return this.#holdsAll(this.#name, wanted, signal);
  }

  async remove(): Promise<void> {
    await this.#nft([`add table ${this.#name}`, `delete table ${this.#name}`]);
    this.forget();
  }
}
