/**
 * What one node's nftables table holds now, and the commands to what it should hold. The state is exactly what was sent
 * with success, so every answer of `commandsFor` is one atomic transaction from a known state.
 */
import { addressType } from '#network/netfilter/ip-family.ts';
import type { Transaction } from '#network/netfilter/transaction.ts';
import { type Affinity, affinityCommands, removeAffinityCommands } from './affinity.ts';
import type { ChainFamily } from './chain-family.ts';
import type { Rendered } from './elements.ts';
import { baseCommands, chainCommands, type TableContext, tableName } from './ruleset.ts';

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
    const before = joined(known.size > 0 ? [...wanted.keys()].map((key) => known.get(key)) : []);
    const after = joined(wanted.values());
    const hairpins = this.#hairpinsAfter(before.hairpins, after.hairpins);
    const chains = [...after.chains].filter(([id]) => !this.#chains.has(id)).map(([, chain]) => chain);
    const gone = [...before.affinities.values()].filter(({ chain }) => !after.affinities.has(chain));
    const kept = new Set([...after.affinities.values()].flatMap(({ clients }) => clients));
    const added = [...after.affinities.values()].filter(({ chain }) => !before.affinities.has(chain));

    const commands = [
      ...chains.flatMap(({ family, count }) => chainCommands(family, count, this.#context)),
      ...added.flatMap((affinity) => affinityCommands(affinity, this.#affinityTable(table))),
      ...elementCommands(table, before.elements, after.elements),
      ...hairpins.commands(table),
      ...gone.flatMap((affinity) => removeAffinityCommands(affinity, { table, kept })),
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

/** Key → value, by map. Of two Services that want one key the later has it. */
type ElementsByMap = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** Deletes before adds, so that a key may change its value. Grouped by map: one command for many elements. */
function elementCommands(table: string, now: ElementsByMap, wanted: ElementsByMap): string[] {
  return [...differences('delete', table, now, wanted), ...differences('add', table, wanted, now)];
}

/** What `of` has and `other` has not, or not so. */
function differences(verb: 'add' | 'delete', table: string, of: ElementsByMap, other: ElementsByMap): string[] {
  const commands: string[] = [];
  for (const [map, elements] of of) {
    const others = other.get(map);
    const texts: string[] = [];
    for (const [key, value] of elements) {
      if (others?.get(key) !== value) texts.push(value ? `${key} : ${value}` : key); // deleting from a map needs the old value too
    }
    if (texts.length > 0) commands.push(`${verb} element ${table} ${map} { ${texts.join(', ')} }`);
  }
  return commands;
}

const chainId = ({ family, count }: { family: ChainFamily; count: number }) => `${family}${count}`;

const NOTHING: ReadonlyMap<string, Rendered> = new Map();

/** What several Services need together; affinities by what names them. */
function joined(services: Iterable<Rendered | undefined>) {
  const elements = new Map<string, Map<string, string>>();
  const affinities = new Map<string, Affinity>();
  const chains = new Map<string, Rendered['chains'][number]>();
  const hairpins: string[] = [];
  for (const service of services) {
    if (!service) continue;
    for (const { map, key, value } of service.elements) {
      const ofMap = elements.get(map);
      if (ofMap) ofMap.set(key, value);
      else elements.set(map, new Map([[key, value]]));
    }
    for (const affinity of service.affinities) affinities.set(affinity.chain, affinity);
    for (const chain of service.chains) chains.set(chainId(chain), chain);
    for (const ip of service.hairpins) hairpins.push(ip);
  }
  return { elements, affinities, chains, hairpins };
}
