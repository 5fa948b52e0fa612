/** The same counts by name and by the place of a domain, whatever comes and goes. */
import { expect, test } from 'vitest';
import type { Node, Pod } from '#api/generated/schema.ts';
import { EACH_NODE } from '../domains.ts';
import { Snapshot } from '../snapshot.ts';
import { TopologyCounts } from './topology-counts.ts';

const node = (name: string) => ({ metadata: { name, labels: {} }, spec: {}, status: {} }) as unknown as Node;
const pod = (name: string, nodeName: string) =>
  ({ metadata: { name, uid: name }, spec: { nodeName, containers: [] } }) as unknown as Pod;

test('counts that are asked for by the order of the domains stay what they are by name', () => {
  const snapshot = new Snapshot();
  const make = () => new TopologyCounts({ domainOf: ({ node: { metadata } }) => metadata.name, matches: () => true });
  const seen = () => {
    const domains = snapshot.domains(EACH_NODE);
    const counts = snapshot.tally('pods', make);
    const inOrder = counts.inOrder(domains);
    expect([...inOrder]).toEqual(domains.names.map((name) => counts.at(name)));
    return Object.fromEntries(domains.names.map((name, id) => [name, inOrder[id]]));
  };
  for (const name of ['a', 'b']) snapshot.putNode(node(name));
  snapshot.putPod(pod('one', 'a'));
  expect(seen()).toEqual({ a: 1, b: 0 });
  snapshot.putPod(pod('two', 'b'));
  snapshot.putPod(pod('three', 'b'));
  expect(seen()).toEqual({ a: 1, b: 2 });
  snapshot.removePod(pod('one', 'a'));
  expect(seen()).toEqual({ a: 0, b: 2 });
  snapshot.putNode(node('c'));
  snapshot.putPod(pod('four', 'c'));
  expect(seen()).toEqual({ a: 0, b: 2, c: 1 });
});
