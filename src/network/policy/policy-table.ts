/** What the kernel's table of policies holds, and the commands from there to what it should hold: one transaction each. */
import { addressType, familyWord, type IpFamily } from '#network/netfilter/ip-family.ts';
import type { Transaction } from '#network/netfilter/transaction.ts';
import { type Direction, INGRESS_CHECK } from './chains.ts';
import type { Plan } from './policy-state.ts';

export interface PolicyTableContext {
  family: IpFamily;
  /** This node's: whose addresses must be known before they may be used. */
  podRanges: readonly string[];
}

export const policyTableName = (family: IpFamily): string => `${familyWord(family)} network-policy`;

/**
 * After addresses of Services have become those of pods, and before the proxy refuses for those without endpoints (its
 * filters are at -10): an isolated pod does not learn which these are.
 */
const hookAt = (hook: 'forward' | 'output') => `{ type filter hook ${hook} priority -15; policy accept; }`;

/** Packets of no connection: judged by their own addresses. */
const UNFOLLOWED = 'ct state invalid,untracked';

const EMPTY: Applied = {
  isThere: false,
  chains: new Set(),
  portSets: new Set(),
  podSets: new Set(),
  maps: { ingress: new Map(), egress: new Map() },
  known: new Set(),
};

interface Applied {
  isThere: boolean;
  chains: ReadonlySet<string>;
  portSets: ReadonlySet<string>;
  podSets: ReadonlySet<string>;
  maps: Record<Direction, ReadonlyMap<string, string>>;
  known: ReadonlySet<string>;
}

export class PolicyTable {
  readonly #context: PolicyTableContext;
  readonly #table: string;
  /** Elements of the sets of pods as the kernel has them. */
  #elements = new Map<string, Set<string>>();
  #applied: Applied = EMPTY;
  #isKnown = false;

  constructor(context: PolicyTableContext) {
    this.#context = context;
    this.#table = policyTableName(context.family);
  }

  /** After a failure whose effect is not known, and before the first transaction: the next one begins with an empty table. */
  forget(): void {
    this.#isKnown = false;
  }

  commandsFor(plan: Plan): Transaction {
    if (!plan.isEnforced) return this.#withoutTable();
    const isNew = !this.#isKnown || !this.#applied.isThere;
    const before = isNew ? EMPTY : this.#applied;
    if (isNew) this.#elements = new Map();
    const moves = setMoves(plan, this.#elements);
    const { add, remove } = this.#structureChanges(before, plan);
    const commands = [
      ...(isNew ? this.#base() : []),
      ...add.sets,
      ...moves.flatMap(({ name, gone, come }) => [
        ...this.#elementCommand('delete', name, gone),
        ...this.#elementCommand('add', name, come),
      ]),
      ...add.chains,
      ...this.#mapChanges(before, plan),
      ...remove,
    ];
    return {
      commands,
      applied: () => {
        this.#isKnown = true;
        this.#applied = appliedOf(plan);
        for (const name of this.#elements.keys()) if (!plan.podSets.has(name)) this.#elements.delete(name);
        for (const { name, gone, come } of moves) {
          const elements = this.#elements.get(name) ?? new Set();
          for (const element of gone) elements.delete(element);
          for (const element of come) elements.add(element);
          this.#elements.set(name, elements);
        }
      },
    };
  }

  #withoutTable(): Transaction {
    const isGone = this.#isKnown && !this.#applied.isThere;
    return {
      commands: isGone ? [] : [`add table ${this.#table}`, `delete table ${this.#table}`],
      applied: () => {
        this.#isKnown = true;
        this.#applied = EMPTY;
      },
    };
  }

  #base(): string[] {
    const { family, podRanges } = this.#context;
    const [ip, address, table] = [familyWord(family), addressType(family), this.#table];
    const [client, server] = [`ct original ${ip} saddr`, `ct reply ${ip} saddr`];
    const rule = (chain: string, text: string) => `add rule ${table} ${chain} ${text}`;
    const judged = [
      'ct state related accept', // errors about a connection that was allowed
      // A pod is isolated before its first container starts: until its rules are here, it has no network.
      ...podRanges.flatMap((range) => [
        `${client} ${range} ${client} != @known drop`,
        `${server} ${range} ${server} != @known drop`,
        `${UNFOLLOWED} ${ip} saddr ${range} ${ip} saddr != @known drop`,
        `${UNFOLLOWED} ${ip} daddr ${range} ${ip} daddr != @known drop`,
      ]),
      `${client} . ${server} @itself accept`, // a pod by way of its own Service
      `${client} vmap @egress`,
      `${UNFOLLOWED} ${ip} saddr vmap @egress`,
      `goto ${INGRESS_CHECK}`,
    ];
    return [
      `add table ${table}`,
      `delete table ${table}`,
      `add table ${table}`,
      `add map ${table} ingress { type ${address} : verdict; }`,
      `add map ${table} egress { type ${address} : verdict; }`,
      `add set ${table} known { type ${address}; }`,
      `add set ${table} itself { type ${address} . ${address}; }`,
      `add chain ${table} ${INGRESS_CHECK}`,
      rule(INGRESS_CHECK, `${server} vmap @ingress`),
      // A packet of no connection is judged by its own addresses, and passes only where everything may.
      rule(INGRESS_CHECK, `${UNFOLLOWED} ${ip} daddr vmap @ingress`),
      rule(INGRESS_CHECK, 'accept'),
      `add chain ${table} forward ${hookAt('forward')}`,
      ...judged.map((text) => rule('forward', text)),
      // What IPVS leads to a pod leaves the node as if it were its own, but for its source.
      `add chain ${table} output ${hookAt('output')}`,
      ...['fib saddr type local accept', ...judged].map((text) => rule('output', text)),
    ];
  }

  /** What is there to be added before elements lead to it, and to be removed once none does. */
  #structureChanges(before: Applied, plan: Plan): { add: { sets: string[]; chains: string[] }; remove: string[] } {
    const [table, address] = [this.#table, addressType(this.#context.family)];
    const podSets = [...plan.podSets.values()].filter(({ spec }) => !before.podSets.has(spec.name));
    const portSets = [...plan.portSets.values()].filter(({ name }) => !before.portSets.has(name));
    const chains = [...plan.chains].filter(([name]) => !before.chains.has(name));
    const key = { addresses: address, 'named ports': `${address} . inet_proto . inet_service` };
    const oldChains = [...before.chains].filter((name) => !plan.chains.has(name));
    const oldSets = [
      ...[...before.podSets].filter((name) => !plan.podSets.has(name)),
      ...[...before.portSets].filter((name) => !plan.portSets.has(name)),
    ];
    return {
      add: {
        sets: [
          ...podSets.map(({ spec }) => `add set ${table} ${spec.name} { type ${key[spec.holds]}; }`),
          ...portSets.flatMap(({ name, elements }) => [
            `add set ${table} ${name} { type inet_service; flags interval; }`,
            ...this.#elementCommand('add', name, elements),
          ]),
        ],
        chains: [
          ...chains.map(([name]) => `add chain ${table} ${name}`),
          ...chains.flatMap(([name, rules]) => rules.map((rule) => `add rule ${table} ${name} ${rule}`)),
        ],
      },
      remove: [
        ...oldChains.map((name) => `flush chain ${table} ${name}`),
        ...oldChains.map((name) => `delete chain ${table} ${name}`),
        ...oldSets.map((name) => `delete set ${table} ${name}`),
      ],
    };
  }

  #mapChanges(before: Applied, { isolated, known }: Plan): string[] {
    const map = (name: Direction) => {
      const [was, is] = [before.maps[name], isolated[name]];
      const text = ([address, chain]: [string, string]) => `${address} : goto ${chain}`;
      return [
        ...this.#elementCommand('delete', name, [...was].filter(([at, chain]) => is.get(at) !== chain).map(text)),
        ...this.#elementCommand('add', name, [...is].filter(([at, chain]) => was.get(at) !== chain).map(text)),
      ];
    };
    const gone = [...before.known].filter((address) => !known.has(address));
    const come = [...known].filter((address) => !before.known.has(address));
    const itself = (address: string) => `${address} . ${address}`;
    return [
      ...this.#elementCommand('delete', 'known', gone),
      ...this.#elementCommand('delete', 'itself', gone.map(itself)),
      ...map('egress'),
      ...map('ingress'),
      ...this.#elementCommand('add', 'itself', come.map(itself)),
      ...this.#elementCommand('add', 'known', come),
    ];
  }

  #elementCommand(verb: 'add' | 'delete', set: string, elements: readonly string[]): string[] {
    return elements.length > 0 ? [`${verb} element ${this.#table} ${set} { ${elements.join(', ')} }`] : [];
  }
}

/** What comes and goes in the sets of pods, as far as something touched them. */
function setMoves({ podSets }: Plan, applied: ReadonlyMap<string, ReadonlySet<string>>) {
  return [...podSets].flatMap(([name, set]) => {
    const touched = set.takeTouched();
    const had = applied.get(name);
    const candidates = had ? touched : set.elements;
    const come = [...candidates].filter((element) => set.has(element) && !had?.has(element));
    const gone = had ? [...touched].filter((element) => had.has(element) && !set.has(element)) : [];
    return come.length + gone.length > 0 || !had ? [{ name, come, gone }] : [];
  });
}

const appliedOf = ({ chains, portSets, podSets, isolated, known }: Plan): Applied => ({
  isThere: true,
  chains: new Set(chains.keys()),
  portSets: new Set(portSets.keys()),
  podSets: new Set(podSets.keys()),
  maps: isolated,
  known,
});
