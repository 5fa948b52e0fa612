/**
 * What one node's nftables table holds now, and the commands to what it should hold. The state is exactly what was sent
 * with success, so every answer of `commandsFor` is one atomic transaction from a known state.
 */
import { addressType } from '#network/netfilter/ip-family.ts';
import type { Transaction } from '#network/netfilter/transaction.ts';
import { affinityCommands, removeAffinityCommands } from './affinity.ts';
import { type Rendered, render } from './elements.ts';
import type { Wanted } from './fronts.ts';
import { baseCommands, chainCommands, type TableContext, tableName } from './ruleset.ts';

/** Services: some milliseconds' work. */
const AT_A_TIME = 100;

export interface Filling {
  /** Commands that build the table where none is. To be read once, and to the end before `applied` is called. */
  parts: Iterable<readonly string[]>;
  /** To be called when they took effect; nothing has changed until then. */
  applied(): void;
}

export class ProxyTable {
  readonly #context: TableContext;
  #services = new Map<string, Wanted>();
  #chains = new Set<string>();
  #hairpins = new Map<string, number>();
  #exists = false;

  constructor(context: TableContext) {
    this.#context = context;
  }

  /** After a failure whose effect is not known: the next transaction builds the table anew. */
  forget(): void {
    this.#exists = false;
  }

  /** Whether the next transaction builds everything anew, and that is much. */
  isFilling(wanted: ReadonlyMap<string, unknown>): boolean {
    return !this.#exists && this.#services.size + wanted.size > AT_A_TIME;
  }

  /** Whether the next transaction builds everything anew, and clients are to stay with their endpoints. */
  isToRemember(wanted: ReadonlyMap<string, Wanted | undefined>): boolean {
    if (this.#exists) return false;
    const services = [...this.#services.values(), ...wanted.values()];
    return services.some((service) => service?.fronts.some(({ affinitySeconds }) => affinitySeconds !== undefined));
  }

  /** @param wanted what each changed Service needs from now on; undefined: it is gone. */
  commandsFor(wanted: ReadonlyMap<string, Wanted | undefined>): Transaction {
    if (this.#exists) return this.#change(wanted);
    const table = tableName(this.#context.family);
    const { parts, applied } = this.filling(wanted);
    return {
      commands: [`add table ${table}`, `delete table ${table}`, `add table ${table}`, ...parts].flat(),
      applied,
    };
  }

  /** Everything anew, some Services at a time. */
  filling(wanted: ReadonlyMap<string, Wanted | undefined>): Filling {
    const services = this.#services.size > 0 ? new Map([...this.#services, ...wanted]) : wanted;
    const whole = new ProxyTable(this.#context);
    return {
      parts: whole.#filledWith(services),
      applied: () => {
        this.#exists = true;
        this.#services = whole.#services;
        this.#chains = whole.#chains;
        this.#hairpins = whole.#hairpins;
      },
    };
  }

  *#filledWith(services: ReadonlyMap<string, Wanted | undefined>): Generator<readonly string[]> {
    yield baseCommands(this.#context);
    let some = new Map<string, Wanted | undefined>();
    for (const [key, wanted] of services) {
      some.set(key, wanted);
      if (some.size < AT_A_TIME) continue;
      yield this.#added(some);
      some = new Map();
    }
    if (some.size > 0) yield this.#added(some);
  }

  #added(some: ReadonlyMap<string, Wanted | undefined>): string[] {
    const { commands, applied } = this.#change(some);
    applied();
    return commands;
  }

  #change(wanted: ReadonlyMap<string, Wanted | undefined>): Transaction {
    const table = tableName(this.#context.family);
    const before = render([...wanted.keys()].map((key) => this.#services.get(key)));
    const after = render(wanted.values());
    const hairpins = this.#hairpinsAfter(before.hairpins, after.hairpins);
    const chains = [...after.chains].filter(([name]) => !this.#chains.has(name));
    const gone = [...before.affinities.values()].filter(({ chain }) => !after.affinities.has(chain));
    const kept = new Set([...after.affinities.values()].flatMap(({ clients }) => clients));
    const added = [...after.affinities.values()].filter(({ chain }) => !before.affinities.has(chain));

    const commands = [
      ...chains.flatMap(([, leading]) => chainCommands(leading, this.#context)),
      ...added.flatMap((affinity) => affinityCommands(affinity, this.#affinityTable(table))),
      ...elementCommands(table, before.elements, after.elements),
      ...hairpins.commands(table),
      ...gone.flatMap((affinity) => removeAffinityCommands(affinity, { table, kept })),
    ];
    return {
      commands,
      applied: () => {
        for (const [key, service] of wanted) {
          if (service) this.#services.set(key, service);
          else this.#services.delete(key);
        }
        for (const [name] of chains) this.#chains.add(name);
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
    const moved = (isThere: boolean) =>
      [...counts]
        .filter(([ip, count]) => count > 0 === isThere && this.#hairpins.has(ip) !== isThere)
        .map(([ip]) => `${ip} . ${ip}`);
    const commands = (table: string) => [
      ...elementCommand('delete', `${table} hairpin`, moved(false)),
      ...elementCommand('add', `${table} hairpin`, moved(true)),
    ];
    return { counts, commands };
  }
}

/** Deletes before adds, so that a key may change its value. Grouped by map: one command for many elements. */
function elementCommands(table: string, now: Rendered['elements'], wanted: Rendered['elements']): string[] {
  return [...differences('delete', table, now, wanted), ...differences('add', table, wanted, now)];
}

/** What `of` has and `other` has not, or not so: deleting from a map needs the old value too. */
function differences(
  verb: 'add' | 'delete',
  table: string,
  of: Rendered['elements'],
  other: Rendered['elements'],
): string[] {
  return [...of].flatMap(([map, elements]) => {
    const others = new Set(other.get(map));
    const own = others.size > 0 ? elements.filter((element) => !others.has(element)) : elements;
    return elementCommand(verb, `${table} ${map}`, own);
  });
}

const elementCommand = (verb: 'add' | 'delete', map: string, elements: readonly string[]): string[] =>
  elements.length > 0 ? [`${verb} element ${map} { ${elements.join(', ')} }`] : [];
