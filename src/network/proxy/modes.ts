/** kube-proxy's modes, by upstream's names. Source: KubeProxyConfiguration, `mode`. */
import { hasRules } from '#network/netfilter/nft.ts';
import { IptablesRenderer } from './iptables-renderer.ts';
import { NftRenderer } from './nft-renderer.ts';
import type { Renderer } from './renderer.ts';
import type { TableContext } from './ruleset.ts';

export type ProxyMode = 'nftables' | 'iptables';

const RENDERERS: Record<ProxyMode, new (context: TableContext) => Renderer> = {
  nftables: NftRenderer,
  iptables: IptablesRenderer,
};

export const rendererOf = (mode: ProxyMode, context: TableContext): Renderer => new RENDERERS[mode](context);

/** What a node in another mode left is in the way of this one's rules. */
export async function removeOtherModes(mode: ProxyMode, contexts: readonly TableContext[]): Promise<void> {
  for (const context of contexts) {
    if (mode === 'iptables') await rendererOf('nftables', context).remove();
    else if (await hasIptablesRules(context)) await rendererOf('iptables', context).remove();
  }
}

/** One look, because most machines never had any. The tables of iptables-nft are seen by nft, too. */
const hasIptablesRules = ({ family }: TableContext): Promise<boolean> =>
  hasRules(family === 'ipv4' ? 'ip nat' : 'ip6 nat', 'KUBE-SERVICES');
