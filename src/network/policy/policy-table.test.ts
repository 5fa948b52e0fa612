import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { NetworkPolicy, Pod } from '#api/generated/schema.ts';
import { PolicyState } from './policy-state.ts';
import { PolicyTable } from './policy-table.ts';

/** As strict as the kernel: what is not there cannot be removed, what is referred to cannot go, nothing is there twice. */
class Kernel {
  readonly rules = new Map<string, string[]>();
  readonly elements = new Map<string, Set<string>>();

  run(commands: readonly string[]): void {
    for (const command of commands) this.#one(command);
  }

  #one(command: string): void {
    const [verb, what, , , name = '', ...rest] = command.split(' ');
    if (what === 'table') {
      if (verb === 'delete') for (const held of [this.rules, this.elements]) held.clear();
    } else if (what === 'chain') {
      if (verb === 'add') this.rules.set(name, []);
      else if (verb === 'flush') this.#chain(name).length = 0;
      else this.#drop(this.rules, name);
    } else if (what === 'rule') {
      const rule = rest.join(' ');
      for (const [, target = ''] of rule.matchAll(/(?:jump|goto) (\S+)/g)) this.#chain(target);
      for (const [, set = ''] of rule.matchAll(/@(\S+)/g)) this.#set(set);
      this.#chain(name).push(rule);
    } else if (what === 'element') {
      for (const element of rest.slice(1, -1).join(' ').split(', ')) this.#element(verb ?? '', name, element);
    } else {
      expect(what).toMatch(/^(set|map)$/);
      if (verb === 'add') this.elements.set(name, new Set());
      else this.#drop(this.elements, name);
    }
  }

  #element(verb: string, name: string, element: string): void {
    const set = this.#set(name);
    const target = /goto (\S+)/.exec(element)?.[1];
    if (target) this.#chain(target);
    expect(set.has(element), `${verb} ${element} in ${name}`).toBe(verb === 'delete');
    if (verb === 'delete') set.delete(element);
    else set.add(element);
  }

  #drop(held: Map<string, unknown>, name: string): void {
    expect(held.has(name), name).toBe(true);
    const rules = [...this.rules].filter(([chain]) => chain !== name).flatMap(([, texts]) => texts);
    const targets = [...rules, ...[...this.elements.values()].flatMap((set) => [...set])];
    expect(targets.filter((text) => text.split(/[ @]/).includes(name))).toEqual([]);
    held.delete(name);
  }

  #chain(name: string): string[] {
    const found = this.rules.get(name);
    if (!found) throw new Error(`no chain ${name}`);
    return found;
  }

  #set(name: string): Set<string> {
    const found = this.elements.get(name);
    if (!found) throw new Error(`no set ${name}`);
    return found;
  }

  get content() {
    const sorted = (map: Map<string, Iterable<string>>) =>
      Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, held]) => [name, [...held]]));
    return {
      rules: sorted(this.rules),
      elements: sorted(new Map([...this.elements].map(([name, set]) => [name, [...set].sort()]))),
    };
  }
}

const LABELS = ['web', 'db'].map((app) => ({ app }));
const SPACES = ['one', 'two'];
const selector = fc.constantFrom({}, ...LABELS.map((matchLabels) => ({ matchLabels })));
const peer = fc.oneof(
  fc.record({ podSelector: selector }),
  fc.record({ namespaceSelector: fc.constantFrom({}, { matchLabels: { team: 'a' } }), podSelector: selector }),
  fc.constant({ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } }),
);
const port = fc.constantFrom(
  { port: 80 },
  { port: 80, endPort: 90 },
  { port: 'http' },
  { protocol: 'UDP' },
  { port: 85 },
);
const rules = (side: string) =>
  fc.array(fc.record({ [side]: fc.array(peer, { maxLength: 2 }), ports: fc.array(port, { maxLength: 3 }) }), {
    maxLength: 2,
  });
const policySpec = fc.record({
  podSelector: selector,
  policyTypes: fc.subarray(['Ingress', 'Egress'] as const, { minLength: 1 }),
  ingress: rules('from'),
  egress: rules('to'),
});

type Step = (state: PolicyState, at: number) => void;
const index = fc.nat({ max: 4 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc
    .record({ i: index, space: fc.constantFrom(...SPACES), labels: fc.constantFrom(...LABELS), here: fc.boolean() })
    .chain((facts) => fc.option(fc.constant(facts)).map((known) => ({ ...facts, known: known !== null })))
    .map(
      ({ i, space, labels, here, known }): Step =>
        (state) => {
          state.putPod(
            `${space}/p${i}`,
            known ? podAt(space, i, { labels, nodeName: here ? 'node1' : 'node2' }) : undefined,
          );
        },
    ),
  fc.record({ i: index, space: fc.constantFrom(...SPACES), spec: fc.option(policySpec) }).map(
    ({ i, space, spec }): Step =>
      (state) => {
        const policy = spec && ({ metadata: { name: `n${i}`, namespace: space }, spec } as unknown as NetworkPolicy);
        state.putPolicy(`${space}/n${i}`, policy ?? undefined);
      },
  ),
  fc
    .record({ space: fc.constantFrom(...SPACES), labels: fc.option(fc.constantFrom({ team: 'a' }, { team: 'b' })) })
    .map(
      ({ space, labels }): Step =>
        (state) =>
          state.putNamespace(space, labels ?? undefined),
    ),
);

/** Two pods in turn may have one address: the old one is gone from the node, but not from the API. */
const podAt = (
  namespace: string,
  i: number,
  { labels, nodeName }: { labels: Record<string, string>; nodeName: string },
) =>
  ({
    metadata: { name: `p${i}`, namespace, labels },
    spec: { nodeName, containers: [{ name: 'c', ports: [{ name: 'http', containerPort: 8000 + i }] }] },
    status: { phase: 'Running', podIPs: [{ ip: `10.244.1.${10 + i}` }] },
  }) as unknown as Pod;

const context = { family: 'ipv4' as const, podRanges: ['10.244.1.0/24'] };
const newState = () => new PolicyState({ family: 'ipv4', nodeName: 'node1' });

test('step by step, with failures on the way, the table becomes what it would be if it were made at once', () => {
  const history = fc.array(fc.record({ steps: fc.array(step, { minLength: 1, maxLength: 4 }), fails: fc.boolean() }), {
    maxLength: 12,
  });
  fc.assert(
    fc.property(history, (batches) => {
      const [state, table, kernel] = [newState(), new PolicyTable(context), new Kernel()];
      const fresh = newState();
      for (const [at, { steps, fails }] of batches.entries()) {
        for (const change of steps) for (const each of [state, fresh]) change(each, at);
        const { commands, applied } = table.commandsFor(state.plan());
        if (fails) {
          table.forget();
          continue;
        }
        kernel.run(commands);
        applied();
      }
      const last = table.commandsFor(state.plan());
      kernel.run(last.commands);
      last.applied();
      const made = new Kernel();
      made.run(new PolicyTable(context).commandsFor(fresh.plan()).commands);
      expect(kernel.content).toEqual(made.content);
      expect(table.commandsFor(state.plan()).commands).toEqual([]);
    }),
    { numRuns: 300 },
  );
});

test('a cluster without policies has no table, and loses it with the last policy', () => {
  const [state, table] = [newState(), new PolicyTable(context)];
  const commandsNow = () => {
    const { commands, applied } = table.commandsFor(state.plan());
    applied();
    return commands;
  };
  const drop = ['add table ip network-policy', 'delete table ip network-policy'];
  expect(commandsNow()).toEqual(drop); // one that an earlier life left
  expect(commandsNow()).toEqual([]);
  const spec = { podSelector: {}, policyTypes: ['Ingress'] };
  state.putPolicy('one/n', { metadata: { name: 'n', namespace: 'one' }, spec } as NetworkPolicy);
  expect(commandsNow().length).toBeGreaterThan(5);
  state.putPolicy('one/n', undefined);
  expect(commandsNow()).toEqual(drop);
});

test('it judges before the proxy refuses, and unknown addresses have no network, followed by the kernel or not', () => {
  const [state, table] = [newState(), new PolicyTable(context)];
  const spec = { podSelector: {}, policyTypes: ['Ingress'] };
  state.putPolicy('one/n', { metadata: { name: 'n', namespace: 'one' }, spec } as NetworkPolicy);
  const { commands } = table.commandsFor(state.plan());
  const [, priority] = /filter hook forward priority (-?\d+)/.exec(commands.join('\n')) ?? [];
  expect(Number(priority)).toBeLessThan(-10); // the proxy's
  for (const side of ['saddr', 'daddr']) {
    const rule = `ct state invalid,untracked ip ${side} 10.244.1.0/24 ip ${side} != @known drop`;
    expect(commands).toContain(`add rule ip network-policy forward ${rule}`);
  }
});
