/** A node whose mode of kube-proxy changes, against a real kernel: packets pass, and nothing of another mode is left. */
import { afterAll, describe, expect, test } from 'vitest';
import { familyWord, type IpFamily } from '#network/netfilter/ip-family.ts';
import { wantedOf } from '#network/proxy/fronts.ts';
import { type ProxyMode, removeOtherModes } from '#network/proxy/modes.ts';
import {
  ADDRESSES,
  canIpvs,
  contextOf,
  hasIptables,
  inside,
  MODES,
  nftHasRules,
  once,
  RENDERERS,
  run,
  servicePortOf,
  useProxyLab,
} from './proxy-modes-lab.ts';

useProxyLab();

/** From each to each other, where there are three. */
const CHANGES: readonly ProxyMode[] = ['nftables', 'ipvs', 'iptables', 'nftables', 'iptables', 'ipvs', 'nftables'];
const isThereOf = (of: ProxyMode): boolean => MODES.some(({ mode, isThere }) => mode === of && isThere);

/** What a mode leaves where it is not taken away. */
const traces: Record<ProxyMode, (family: IpFamily) => string> = {
  nftables: (family) =>
    inside('node', 'nft', ['list', 'tables']).match(`${familyWord(family)} kube-proxy\n`)?.[0] ?? '',
  iptables: (family) =>
    inside('node', family === 'ipv4' ? 'iptables-save' : 'ip6tables-save', []).match(/KUBE-\S+/)?.[0] ?? '',
  ipvs: (family) => {
    const table = inside('node', 'nft', ['list', 'tables']).match(`${familyWord(family)} kube-proxy-ipvs`)?.[0] ?? '';
    const device = inside('node', 'ip', ['-o', 'link', 'show']).match('kube-ipvs0')?.[0] ?? '';
    const servers = canIpvs ? inside('node', 'ipvsadm', ['-Sn']) : '';
    return `${table}${device}${servers}`;
  },
};

describe.skipIf(!hasIptables).each(['ipv4', 'ipv6'] as const)('a node that changes its mode, %s', (family) => {
  const { node, pods, clusterIP } = ADDRESSES[family];
  const [only] = pods;
  const port = servicePortOf(family, { endpoints: [{ ip: only, port: 8080, isLocal: true }] });
  const wanted = new Map([['service default/web', wantedOf([port])]]);
  const ofMode = (mode: ProxyMode) => RENDERERS[mode](family);
  afterAll(() => Promise.all(MODES.filter(({ isThere }) => isThere).map(({ mode }) => ofMode(mode).remove())));

  test('serves in the new one, and nothing of the old one is left', async () => {
    for (const mode of CHANGES.filter(isThereOf)) {
      await ofMode(mode).put(wanted);
      const tools = { run, hasRules: nftHasRules, rendererOf: (other: ProxyMode) => ofMode(other) };
      await removeOtherModes(mode, [contextOf(family)], tools);
      expect(await once('client', node, 30_080), mode).toMatch(/^pod1 /);
      expect(await once('pod2', clusterIP, 80), mode).toBe(`pod1 ${pods[1]}`);
      expect(traces[mode](family)).not.toBe('');
      for (const { mode: other } of MODES)
        if (other !== mode) expect(traces[other](family), `${other} in ${mode}`).toBe('');
    }
  });
});
