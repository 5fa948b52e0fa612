import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { quantityMilliValue } from '#api/machinery/quantity.ts';
import { seededRandom } from '#base/random.ts';
import { SharedInformers } from '#client/informers.ts';
import type { TestCluster } from '#testing/cluster.ts';
import { node, podAsking, SCHEDULER, startCluster } from '#testing/cluster.ts';

const BINDING = { verb: 'create', resource: 'pods/binding' };

const steps = fc.oneof(
  { weight: 3, arbitrary: fc.record({ what: fc.constant('node comes' as const), cpu: fc.constantFrom(1, 2) }) },
  fc.record({ what: fc.constant('node goes' as const), which: fc.nat(5) }),
  {
    weight: 8,
    arbitrary: fc.record({
      what: fc.constant('pods come' as const),
      cpus: fc.array(fc.constantFrom(300, 500, 900), { minLength: 1, maxLength: 4 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('pod goes' as const), which: fc.nat(20) }) },
  fc.record({ what: fc.constant('bindings fail' as const), times: fc.constantFrom(1, 2) }),
  fc.record({ what: fc.constant('answers are lost' as const), carriedOut: fc.boolean() }),
  fc.record({ what: fc.constant('restart' as const) }),
  fc.record({ what: fc.constant('watches break' as const) }),
  {
    weight: 3,
    arbitrary: fc.record({ what: fc.constant('time passes' as const), ms: fc.constantFrom(0, 1_000, 15_000) }),
  },
);
type Step = typeof steps extends fc.Arbitrary<infer T> ? T : never;

class History {
  readonly #cluster: TestCluster;
  readonly #nodes: { name: string; cpu: number; isThere: boolean }[] = [];
  readonly #pods: string[] = [];

  constructor(cluster: TestCluster) {
    this.#cluster = cluster;
  }

  async run(step: Step): Promise<void> {
    const { faults } = this.#cluster;
    if (step.what === 'node comes') await this.#nodeComes(step.cpu);
    else if (step.what === 'node goes') await this.#nodeGoes(step.which);
    else if (step.what === 'pods come') for (const cpu of step.cpus) await this.#podComes(cpu);
    else if (step.what === 'pod goes') await this.#podGoes(step.which);
    else if (step.what === 'bindings fail') faults.fail({ ...BINDING, times: step.times });
    else if (step.what === 'answers are lost') faults.drop({ ...BINDING, times: 1 }, { carriedOut: step.carriedOut });
    else if (step.what === 'watches break') faults.dropWatch({ user: 'system:kube-scheduler' });
    else if (step.what === 'restart') {
      this.#cluster.stop(SCHEDULER);
      this.#cluster.start(SCHEDULER);
    } else await this.#cluster.passes(step.ms);
  }

  capacityOf(name: string): number {
    return (this.#nodes.find((each) => each.name === name)?.cpu ?? 0) * 1_000;
  }

  get nodeNames(): string[] {
    return this.#nodes.filter(({ isThere }) => isThere).map(({ name }) => name);
  }

  async #nodeComes(cpu: number): Promise<void> {
    const name = `node${this.#nodes.length}`;
    this.#nodes.push({ name, cpu, isThere: true });
    await this.#cluster.create(Node, node(name, { capacity: { cpu: String(cpu) } }));
    await this.#cluster.patch(Node, name, { spec: { taints: null } });
  }

  async #nodeGoes(which: number): Promise<void> {
    const gone = this.#nodes[which];
    if (!gone?.isThere) return;
    gone.isThere = false;
    await this.#cluster.delete(Node, gone.name);
  }

  async #podComes(cpu: number): Promise<void> {
    const name = `pod${this.#pods.length}`;
    this.#pods.push(name);
    await this.#cluster.create(Pod, podAsking(name, { cpu: `${cpu}m` }));
  }

  async #podGoes(which: number): Promise<void> {
    const [name] = this.#pods.splice(which, 1, '');
    if (name) await this.#cluster.delete(Pod, `default/${name}`, { gracePeriodSeconds: 0 });
  }
}

const cpuOf = ({ spec }: Pod): number => quantityMilliValue(spec.containers[0]?.resources?.requests?.['cpu'] ?? '0');

/** Complains of every state that the API ever shows in which a node holds too much, or a pod changes its node. */
function watchOver(cluster: TestCluster, history: History) {
  const stopping = new AbortController();
  const { client, clock } = cluster;
  const informers = new SharedInformers({ client, clock, random: seededRandom(1), signal: stopping.signal });
  const pods = informers.for(Pod);
  const complaints: string[] = [];
  const loadOf = (name: string) =>
    pods.list().reduce((sum, pod) => sum + (pod.spec.nodeName === name ? cpuOf(pod) : 0), 0);
  pods.onChange(({ now, before }) => {
    const [name, was] = [now?.spec.nodeName, before?.spec.nodeName];
    if (was && name && was !== name) complaints.push(`${now?.metadata.name} went from ${was} to ${name}`);
    if (name && loadOf(name) > history.capacityOf(name)) complaints.push(`${name} holds ${loadOf(name)}m`);
  });
  return { complaints, loadOf, pods, stop: () => stopping.abort(new Error('the test is over')) };
}

test('whatever fails and whoever restarts, no node holds too much, and every pod that fits gets a node, once', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { minLength: 8, maxLength: 25 }), async (happened) => {
      await using cluster = await startCluster({ scheduler: true });
      const history = new History(cluster);
      const seen = watchOver(cluster, history);
      await cluster.settles();
      for (const step of happened) await history.run(step);
      cluster.faults.clear();
      await cluster.passes(400_000); // the longest wait, and the longest back-off
      expect(seen.complaints).toEqual([]);
      const mostFree = Math.max(0, ...history.nodeNames.map((name) => history.capacityOf(name) - seen.loadOf(name)));
      const waiting = seen.pods.list().filter(({ spec }) => !spec.nodeName);
      expect(waiting.filter((pod) => cpuOf(pod) <= mostFree).map(({ metadata }) => metadata.name)).toEqual([]);
      seen.stop();
    }),
    { numRuns: 12 },
  );
}, 180_000);
