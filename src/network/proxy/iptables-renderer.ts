import { familyWord } from '#network/netfilter/ip-family.ts';
import { type Iptables, iptablesOf } from '#network/netfilter/iptables.ts';
import type { Difference } from '#network/netfilter/table-contents.ts';
import { type InPieces, inTurns, piecewise } from '#network/netfilter/turns.ts';
import type { Wanted } from './fronts.ts';
import { type Chains, commonChains, HOOKS, type IptablesParts, OWN_CHAIN, partsOf } from './iptables-rules.ts';
import type { Renderer } from './renderer.ts';
import type { TableContext } from './ruleset.ts';

const TABLES = ['raw', 'nat', 'filter'] as const;
type TableName = (typeof TABLES)[number];

/** Some milliseconds' work each. */
const SERVICES_AT_A_TIME = 200;
const CHAINS_AT_A_TIME = 5_000;
const RULES_AT_A_TIME = 10_000;

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
    const setParts = ([key, wanted]: [string, Wanted | undefined]) => {
      if (wanted) parts.set(key, partsOf(wanted, this.#context));
      else parts.delete(key);
    };
    await inTurns(piecewise(changes, SERVICES_AT_A_TIME, setParts));
    const wanted = await inTurns(chainsOf(parts));
    const common = await inTurns(commonChains(parts.values(), this.#context));
    const isNew = this.#present === undefined;
    const present = this.#present ?? (await this.#ownChains('nat'));
    // A chain's name says what is in it: one that is there is as it should be, unless nobody knows what was done to it.
    const written: [string, readonly string[]][] = [];
    const keep = (chain: [string, readonly string[]]) =>
      void ((isNew || !present.has(chain[0])) && written.push(chain));
    await inTurns(piecewise(wanted, CHAINS_AT_A_TIME, keep));
    const gone: string[] = [];
    const leave = (name: string) => void (!wanted.has(name) && !common.nat.has(name) && gone.push(name));
    await inTurns(piecewise(present, CHAINS_AT_A_TIME, leave));
    const hooks = isNew ? await this.#missingHooks() : [];
    const text: string[] = [];
    for (const table of TABLES)
      text.push(
        await inTurns(
          tableText(table, {
            chains: table === 'nat' ? new Map([...written, ...common.nat]) : common[table],
            hooks: hooks.filter((hook) => hook.table === table).map(({ rule }) => `-I ${rule.join(' ')}`),
            gone: table === 'nat' ? gone : [],
          }),
        ),
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
    const parts = new Map(this.#parts);
    const common = await inTurns(commonChains(parts.values(), this.#context));
    const own = await inTurns(chainsOf(parts));
    const differences: Difference[] = [];
    for (const table of TABLES) {
      const counts = await inTurns(ruleCounts(await this.#iptables.save(table)));
      const compare = ([chain, rules]: [string, readonly string[]]) => {
        const count = counts.get(chain) ?? 0;
        if (count !== rules.length) differences.push({ part: `${table} ${chain}`, isEmpty: count === 0 });
      };
      for (const chains of table === 'nat' ? [common.nat, own] : [common[table]])
        await inTurns(piecewise(chains, CHAINS_AT_A_TIME, compare));
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
      text.push(await inTurns(tableText(table, { chains: new Map(), hooks: unhooked, gone: [...own] })));
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

/** Of all Services and pods. */
function* chainsOf(parts: ReadonlyMap<string, IptablesParts>): InPieces<Chains> {
  const all: Chains = new Map();
  yield* piecewise(parts.values(), SERVICES_AT_A_TIME, ({ chains }) => {
    for (const [name, rules] of chains) all.set(name, rules);
  });
  return all;
}

/** @param listing as iptables-save(8) writes it. */
function* ruleCounts(listing: string): InPieces<Map<string, number>> {
  const counts = new Map<string, number>();
  yield* piecewise(listing.matchAll(/^-A (\S+) /gm), CHAINS_AT_A_TIME, ([, chain = '']) => {
    counts.set(chain, (counts.get(chain) ?? 0) + 1);
  });
  return counts;
}

function* ruleLines(chains: Chains): Generator<string> {
  for (const [name, rules] of chains) for (const rule of rules) yield `-A ${name} ${rule}`;
}

/** Chains are made empty first, filled, and only then called; what goes is not called by then. */
function* tableText(
  table: TableName,
  { chains, hooks, gone }: { chains: Chains; hooks: readonly string[]; gone: readonly string[] },
): InPieces<string> {
  const lines = [`*${table}`];
  const add = (line: string) => void lines.push(line);
  yield* piecewise([...chains.keys(), ...gone], RULES_AT_A_TIME, (name) => add(`:${name} - [0:0]`));
  yield* piecewise(ruleLines(chains), RULES_AT_A_TIME, add);
  for (const hook of hooks) add(hook);
  yield* piecewise(gone, RULES_AT_A_TIME, (name) => add(`-X ${name}`));
  add('COMMIT');
  return `${lines.join('\n')}\n`;
}
