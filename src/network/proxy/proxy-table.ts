/**
 * What one node's nftables table holds now, and the commands to what it should hold. The state is exactly what was sent
 * with success, so every answer of `commandsFor` is one atomic transaction from a known state.
 */
import { addressType } from '#network/netfilter/ip-family.ts';
import { type Affinity, affinityCommands, removeAffinityCommands } from './affinity.ts';
import type { ChainFamily } from './chain-family.ts';
import { type Element, idOf, type Rendered } from './elements.ts';
import { baseCommands, chainCommands, type TableContext, tableName } from './ruleset.ts';

/** Commands for one `nft -f -`, and what to call when they took effect. Nothing has changed until then. */
export interface Transaction {
  commands: string[];
  applied(): void;
}

export class ProxyTable {
  readonly #context: TableContext;
  readonly #services = new Map<string, Rendered>();
  readonly #chains = new Set<string>();
  readonly #hairpins = new Map<string, number>();
  #exists = false;

  constructor(context: TableContext) {
    this.#context = context;
  }

  /** After a failure whose effect is not known: the next transaction builds the table anew. */
  forget(): void {
    this.#exists = false;
  }

  /** @param wanted what each changed Service needs from now on; undefined: it is gone. */
  commandsFor(wanted: ReadonlyMap<string, Rendered | undefined>): Transaction {
    if (this.#exists) return this.#change(this.#services, wanted);
    this.#chains.clear();
    this.#hairpins.clear();
    const filled = this.#change(NOTHING, new Map<string, Rendered | undefined>([...this.#services, ...wanted]));
    return {
      commands: [...baseCommands(this.#context), ...filled.commands],
      applied: () => {
        this.#exists = true;
        filled.applied();
      },
    };
  }

  #change(known: ReadonlyMap<string, Rendered>, wanted: ReadonlyMap<string, Rendered | undefined>): Transaction {
    const table = tableName(this.#context.family);
    const before = joined([...wanted.keys()].map((key) => known.get(key)));
    const after = joined([...wanted.values()]);
    const hairpins = this.#hairpinsAfter(before.hairpins, after.hairpins);
    const chains = newChains(after.chains, this.#chains);
    const gone = [...before.affinities.values()].filter(({ chain }) => !after.affinities.has(chain));
    const added = [...after.affinities.values()].filter(({ chain }) => !before.affinities.has(chain));

    const commands = [
      ...chains.flatMap(({ family, count }) => chainCommands(family, count, this.#context)),
      ...added.flatMap((affinity) => affinityCommands(affinity, this.#affinityTable(table))),
      ...elementCommands(table, before.elements, after.elements),
      ...hairpins.commands(table),
      ...gone.flatMap((affinity) => removeAffinityCommands(affinity, table)),
    ];
    return {
      commands,
      applied: () => {
        for (const [key, rendered] of wanted) {
          if (rendered) this.#services.set(key, rendered);
          else this.#services.delete(key);
        }
        for (const chain of chains) this.#chains.add(chainId(chain));
        for (const [ip, count] of hairpins.counts) {
          if (count > 0) this.#hairpins.set(ip, count);
          else this.#hairpins.delete(ip);
        }
      },
    };
  }

  #affinityTable(table: string) {
    const { family, podRanges } = this.#context;
    return { table, addressType: addressType(family), podRanges };
  }

  /** An endpoint may stand behind several Services: it leaves the set when the last of them lets go. */
  #hairpinsAfter(before: readonly string[], after: readonly string[]) {
    const counts = new Map<string, number>();
    const countOf = (ip: string) => counts.get(ip) ?? this.#hairpins.get(ip) ?? 0;
    for (const ip of before) counts.set(ip, countOf(ip) - 1);
    for (const ip of after) counts.set(ip, countOf(ip) + 1);
    const commands = (table: string) =>
      [...counts].flatMap(([ip, count]) => {
        const had = this.#hairpins.has(ip);
        if (had === count > 0) return [];
        return [`${had ? 'delete' : 'add'} element ${table} hairpin { ${ip} . ${ip} }`];
      });
    return { counts, commands };
  }
}

/** Deletes before adds, so that a key may change its value. Grouped by map: one command for many elements. */
function elementCommands(table: string, now: Map<string, Element>, wanted: Map<string, Element>): string[] {
  const gone = [...now]
    .filter(([id, element]) => wanted.get(id)?.value !== element.value)
    .map(([, element]) => element);
  const added = [...wanted]
    .filter(([id, element]) => now.get(id)?.value !== element.value)
    .map(([, element]) => element);
  return [...grouped('delete', table, gone), ...grouped('add', table, added)];
}

function grouped(verb: 'add' | 'delete', table: string, elements: readonly Element[]): string[] {
  const byMap = new Map<string, string[]>();
  for (const { map, key, value } of elements) {
    const text = value ? `${key} : ${value}` : key; // deleting from a map needs the old value too
    const list = byMap.get(map);
    if (list) list.push(text);
    else byMap.set(map, [text]);
  }
  return [...byMap].map(([map, texts]) => `${verb} element ${table} ${map} { ${texts.join(', ')} }`);
}

const chainId = ({ family, count }: { family: ChainFamily; count: number }) => `${family}${count}`;

function newChains(chains: Rendered['chains'], existing: ReadonlySet<string>): Rendered['chains'] {
  const wanted = new Map(chains.map((chain) => [chainId(chain), chain]));
  return [...wanted].filter(([id]) => !existing.has(id)).map(([, chain]) => chain);
}

const NOTHING: ReadonlyMap<string, Rendered> = new Map();

/** What several Services need together; elements and affinities by what names them. */
function joined(services: readonly (Rendered | undefined)[]) {
  const elements = new Map<string, Element>();
  const affinities = new Map<string, Affinity>();
  const chains: Rendered['chains'] = [];
  const hairpins: string[] = [];
  for (const service of services) {
    for (const element of service?.elements ?? []) elements.set(idOf(element), element);
    for (const affinity of service?.affinities ?? []) affinities.set(affinity.chain, affinity);
    chains.push(...(service?.chains ?? []));
    hairpins.push(...(service?.hairpins ?? []));
  }
  return { elements, affinities, chains, hairpins };
}
