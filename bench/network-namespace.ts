/** A network of a measure's own, so that its rules meet nobody's packets. Needs root, iproute2, nsenter and nftables. */
import { execFileSync } from 'node:child_process';
import { systemClock } from '#cmd/system-clock.ts';
import { type RunNft, runNft } from '#network/netfilter/nft.ts';
import { WaitingNft } from '#network/netfilter/waiting-nft.ts';
import type { Bench } from './bench.ts';

export interface NetworkNamespace {
  nft: RunNft;
  /** One that waits, as a node has one. */
  waitingNft(signal: AbortSignal): RunNft;
}

/** Made by the process that outlives the measure's others, so that it goes however they end. @returns its name. */
export function makeNetworkNamespace(bench: Bench): string {
  const name = `kedge-bench-${process.pid}`;
  execFileSync('ip', ['netns', 'add', name]);
  bench.atEnd(() => execFileSync('ip', ['netns', 'delete', name]));
  return name;
}

export function networkNamespace(name: string): NetworkNamespace {
  const command = ['nsenter', `--net=/run/netns/${name}`, 'nft'];
  return {
    nft: (commands) => runNft(commands, { command }),
    waitingNft: (signal) => new WaitingNft({ clock: systemClock, signal, command }).run,
  };
}
