/** A network of a measure's own, so that its rules meet nobody's packets. Needs root, iproute2, nsenter and nftables. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { RunNft } from '#network/netfilter/nft.ts';
import type { Bench } from './bench.ts';

export interface NetworkNamespace {
  nft: RunNft;
  /** ms that the nft command takes for these commands: the least that any proxy pays who does not speak netlink itself. */
  nftMs(commands: readonly string[]): Promise<number>;
}

/** Made by the process that outlives the measure's others, so that it goes however they end. @returns its name. */
export function makeNetworkNamespace(bench: Bench): string {
  const name = `kedge-bench-${process.pid}`;
  execFileSync('ip', ['netns', 'add', name]);
  bench.atEnd(() => execFileSync('ip', ['netns', 'delete', name]));
  return name;
}

export function networkNamespace(name: string): NetworkNamespace {
  const nft: RunNft = async (commands) => {
    const args = [`--net=/run/netns/${name}`, 'nft', '-f', '-'];
    const child = spawn('nsenter', args, { stdio: ['pipe', 'ignore', 'pipe'] });
    let complaint = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (complaint.length < 4096) complaint += text;
    });
    child.stdin.end(`${commands.join('\n')}\n`);
    const [code] = await once(child, 'close');
    if (code !== 0) throw new Error(complaint || `nft ended with ${code}`);
  };
  return {
    nft,
    nftMs: async (commands) => {
      const began = performance.now();
      await nft(commands);
      return performance.now() - began;
    },
  };
}
