/** kube-proxy's modes, by upstream's names. Source: KubeProxyConfiguration, `mode`. */
import { familyWord, type IpFamily } from '#network/netfilter/ip-family.ts';
import { fillTable, type HasRules, hasRules, type RunNft } from '#network/netfilter/nft.ts';
import { IptablesRenderer } from './iptables-renderer.ts';
import { DUMMY } from './ipvs-addresses.ts';
import { IpvsRenderer } from './ipvs-renderer.ts';
import { IPVS_WITNESS, ipvsTableName } from './ipvs-ruleset.ts';
import { type RunTool, runTool } from './ipvs-tools.ts';
import { NftRenderer } from './nft-renderer.ts';
import type { Renderer } from './renderer.ts';
import type { TableContext } from './ruleset.ts';

export type ProxyMode = 'nftables' | 'iptables' | 'ipvs';

/** What only some modes ask for. */
export interface ModeOptions {
  ipvsScheduler?: string | undefined;
  /** What changes are made with; undefined: an nft is started for each. */
  nft?: RunNft;
}

const RENDERERS: Record<ProxyMode, (context: TableContext, options: ModeOptions) => Renderer> = {
  nftables: (context, { nft }) => new NftRenderer(context, { nft, fillTable }),
  iptables: (context) => new IptablesRenderer(context),
  ipvs: (context, { ipvsScheduler: scheduler, nft }) => new IpvsRenderer(context, { scheduler, nft }),
};

export const rendererOf = (mode: ProxyMode, context: TableContext, options: ModeOptions = {}): Renderer =>
  RENDERERS[mode](context, options);

/** Whether a node in that mode may have left something. One look each, because most machines never had any. */
const LEFT: Record<ProxyMode, (context: TableContext, look: Looks) => Promise<boolean>> = {
  nftables: () => Promise.resolve(true), // to take it away costs no more than the look
  // The tables of iptables-nft are seen by nft, too.
  iptables: ({ family }, { hasRules: has }) => has(`${familyWord(family)} nat`, 'KUBE-SERVICES'),
  ipvs: async ({ family }, { hasRules: has, run }) =>
    (await has(ipvsTableName(family), IPVS_WITNESS)) ||
    run('ip', ['link', 'show', DUMMY]).then(
      () => true,
      () => false,
    ),
};

interface Looks {
  hasRules: HasRules;
  run: RunTool;
}

/** For tests. */
export interface OtherModesOptions extends Partial<Looks> {
  rendererOf?: typeof rendererOf;
}

const FAMILIES: readonly IpFamily[] = ['ipv4', 'ipv6'];
/** For those who only take rules away. */
const NO_RANGES = { podRanges: [], serviceRanges: [], ownAddresses: [] };

/**
 * What a node in that mode has in the kernel, for when it is no node any more; but for tables of nftables, which go with those of
 * the other parts. @param families those of its cluster.
 */
export async function removeMode(
  mode: ProxyMode,
  families: readonly IpFamily[],
  of: typeof rendererOf = rendererOf,
): Promise<void> {
  if (mode === 'nftables') return;
  // IPVS and its device are of both families, whichever the cluster has; where a machine has no IPv6, it has no ip6tables either.
  for (const family of mode === 'ipvs' ? FAMILIES : families) await of(mode, { family, ...NO_RANGES }).remove();
}

/** What a node in another mode left is in the way of this one's rules. */
export async function removeOtherModes(
  mode: ProxyMode,
  contexts: readonly TableContext[],
  options: OtherModesOptions = {},
): Promise<void> {
  const looks = { hasRules, run: runTool, ...options };
  const others = (Object.keys(RENDERERS) as ProxyMode[]).filter((other) => other !== mode);
  for (const context of contexts)
    for (const other of others)
      if (await LEFT[other](context, looks)) await (options.rendererOf ?? rendererOf)(other, context).remove();
}
