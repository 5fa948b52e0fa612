/** Three nodes in kube-proxy's mode ipvs, with real pods and packets, in a guest whose kernel has IPVS. */
import { resolve } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { stockKubectl } from '../e2e/running-cluster.ts';
import { canRunInGuest, runInGuest } from './guest/run-in-guest.ts';

const PROJECT = resolve(import.meta.dirname, '../..');
const SCRIPT = 'test/machines/guest/ipvs-cluster.sh';
const LONGEST_MS = 1_080_000;

describe.skipIf(!canRunInGuest())('a cluster of three nodes in the mode ipvs', () => {
  /** By what the script calls it. */
  const facts = new Map<string, string>();
  beforeAll(async () => {
    const { code, output, console } = await runInGuest({
      command: `bash ${SCRIPT} ${await stockKubectl()}`,
      folder: PROJECT,
      memoryMb: 3072,
      withinMs: LONGEST_MS,
    });
    expect(code, `${output.slice(-8_000)}\n${console.slice(-2_000)}`).toBe(0);
    for (const [, what = '', said = ''] of output.matchAll(/^GUEST \[[\d.]+\] ([A-Z]+(?: \d)?): (.*)$/gm))
      facts.set(what, said.trim());
  }, LONGEST_MS + 60_000);
  const onEachNode = (what: string) => [1, 2, 3].map((node) => facts.get(`${what} ${node}`));

  test('a Service leads to all its endpoints, from a pod of each node and by the port of each', () => {
    expect(facts.get('SPREAD')).toBe('node1 node2 node3');
    const allOfThree = '3 9';
    expect(onEachNode('CLUSTERIP')).toEqual([allOfThree, allOfThree, allOfThree]);
    expect(onEachNode('NODEPORT')).toEqual([allOfThree, allOfThree, allOfThree]);
  });

  test('it is IPVS that leads there: three real servers, and the address on the device', () =>
    expect(onEachNode('SCHEDULED')).toEqual(['3 1', '3 1', '3 1']));

  test('affinity, UDP, names and the policy Local hold', () => {
    expect(facts.get('STICKY')).toBe('1 9');
    expect(facts.get('UDP')).toBe('lone');
    expect(facts.get('DNS')).toBe('1');
    expect(onEachNode('LOCAL').slice(0, 2)).toEqual(['0 0', '1 2']);
  });

  test('a trace names where IPVS leads', () =>
    expect(facts.get('TRACE')).toMatch(
      /^IPVS of node node1 leads to (?:10\.244\.\d+\.\d+:8080 \(\d+ connections so far\)(?:, |$)){3}$/,
    ));

  test('an endpoint that goes is asked no more', () => expect(facts.get('TWO')).toBe('2 8'));

  test('rules and connections outlive the process that made the rules, and the next one goes on with them', () => {
    expect(facts.get('KILLED')).toBe('2 8, 2 1');
    expect(facts.get('HELD')).toBe('1');
    expect(facts.get('AGAIN')).toBe('3 9 another');
  });

  test('that the mode is deprecated is told in upstream’s words', () =>
    expect(facts.get('EVENT')).toBe(
      "kube-proxy The ipvs proxier is now deprecated and may be removed in a future release. Please use 'nftables' instead.",
    ));

  test('no virtual server, no device and no network is left when the cluster goes', () =>
    expect(facts.get('LEFT')).toBe('[] 1'));
});
