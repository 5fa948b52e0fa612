import { familyWord } from '#network/netfilter/ip-family.ts';
import { type Iptables, iptablesOf } from '#network/netfilter/iptables.ts';
import type { Difference } from '#network/netfilter/table-contents.ts';
import type { Wanted } from './fronts.ts';
import { type Chains, commonChains, HOOKS, type IptablesParts, OWN_CHAIN, partsOf } from './iptables-rules.ts';
import type { Renderer } from './renderer.ts';
import type { TableContext } from './ruleset.ts';

const TABLES = ['raw', 'nat', 'filter'] as const;
type TableName = (typeof TABLES)[number];

/** The mode `iptables`: a chain for each Service and endpoint, of which only those that changed are written again. */
export class IptablesRenderer implements Renderer {
  /** iptables-nft only; the older iptables tells nobody. */
  readonly witnesses: readonly string[];
  readonly #context: TableContext;
  readonly #iptables: Iptables;
  readonly #parts = new Map<string, IptablesParts>();
  /** Chains of nat that the kernel has; undefined: not known. */
  #present: Set<string> | undefined;

  constructor(context: TableContext, iptables: Iptables = iptablesOf(context.family)) {
    this.#context = context;
    this.witnesses = HOOKS.map(({ table, rule: [chain] }) => `${familyWord(context.family)} ${table} ${chain}`);
    this.#iptables = iptables;
  }

  forget(): void {
    this.#present = undefined;
  }

  async put(changes: ReadonlyMap<string, Wanted | undefined>): Promise<void> {
    const parts = new Map(this.#parts);
    for (const [key, wanted] of changes) {
      if (wanted) parts.set(key, partsOf(wanted, this.#context));
      else parts.delete(key);
    }
    const wanted: Chains = new Map([...parts.values()].flatMap(({ chains }) => [...chains]));
    const common = commonChains(parts.values(), this.#context);
    const isNew = this.#present === undefined;
    const present = this.#present ?? (await this.#ownChains('nat'));
    // A chain's name says what is in it: one that is there is as it should be, unless nobody knows what was done to it.
    const written = [...wanted].filter(([name]) => isNew || !present.has(name));
    const gone = [...present].filter((name) => !wanted.has(name) && !common.nat.has(name));
    const hooks = isNew ? await this.#missingHooks() : [];
    const text = TABLES.map((table) =>
      tableText(table, {
        chains: table === 'nat' ? new Map([...written, ...common.nat]) : common[table],
        hooks: hooks.filter((hook) => hook.table === table).map(({ rule }) => `-I ${rule.join(' ')}`),
        gone: table === 'nat' ? gone : [],
      }),
    );
    await this.#iptables.restore(text.join(''));
    this.#present = new Set(wanted.keys());
    for (const [key, change] of changes) {
      const now = parts.get(key);
      if (change && now) this.#parts.set(key, now);
      else this.#parts.delete(key);
    }
  }

  /** The calls from the kernel's own chains are there, and so are the rules behind them. */
  async isInForce(): Promise<boolean> {
    if ((await this.#missingHooks()).length > 0) return false;
    return this.#iptables.has('nat', ['KUBE-POSTROUTING', '-j', 'MASQUERADE', '--random-fully']);
  }

  /** Chains that have not as many rules as there should be. */
  async differences(): Promise<readonly Difference[]> {
    const parts = [...this.#parts.values()];
    const common = commonChains(parts, this.#context);
    const nat: Chains = new Map([...common.nat, ...parts.flatMap(({ chains }) => [...chains])]);
    const differences: Difference[] = [];
    for (const table of TABLES) {
      const counts = new Map<string, number>();
      for (const [, chain = ''] of (await this.#iptables.save(table)).matchAll(/^-A (\S+) /gm))
        counts.set(chain, (counts.get(chain) ?? 0) + 1);
      const wanted = table === 'nat' ? nat : common[table];
      for (const [chain, rules] of wanted) {
        const count = counts.get(chain) ?? 0;
        if (count !== rules.length) differences.push({ part: `${table} ${chain}`, isEmpty: count === 0 });
      }
    }
    return differences;
  }

  async remove(): Promise<void> {
    const missing = await this.#missingHooks();
    const text: string[] = [];
    for (const table of TABLES) {
      const own = await this.#ownChains(table);
      const hooks = HOOKS.filter((hook) => hook.table === table && !missing.includes(hook));
      if (own.size + hooks.length === 0) continue;
      const unhooked = hooks.map(({ rule }) => `-D ${rule.join(' ')}`);
      text.push(tableText(table, { chains: new Map(), hooks: unhooked, gone: [...own] }));
    }
    if (text.length > 0) await this.#iptables.restore(text.join(''));
    this.forget();
  }

  async #ownChains(table: TableName): Promise<Set<string>> {
    const listing = await this.#iptables.save(table);
    return new Set([...listing.matchAll(OWN_CHAIN)].map(([, name = '']) => name));
  }

  async #missingHooks() {
    const missing: (typeof HOOKS)[number][] = [];
    for (const hook of HOOKS) if (!(await this.#iptables.has(hook.table, hook.rule))) missing.push(hook);
    return missing;
  }
}

/** Chains are made empty first, filled, and only then called; what goes is not called by then. */
function tableText(
  table: TableName,
  { chains, hooks, gone }: { chains: Chains; hooks: readonly string[]; gone: readonly string[] },
): string {
  const lines = [
    `*${table}`,
    ...[...chains.keys(), ...gone].map((name) => `:${name} - [0:0]`),
    ...[...chains].flatMap(([name, rules]) => rules.map((rule) => `-A ${name} ${rule}`)),
    ...hooks,
    ...gone.map((name) => `-X ${name}`),
    'COMMIT',
  ];
  return `${lines.join('\n')}\n`;
}
