/** Protocols with ports, as nft(8) and iptables(8) call them. */
export type Protocol = 'tcp' | 'udp' | 'sctp';

/** Of an API object: `TCP`, or absent for it. */
export const protocolOf = (name: string | undefined): Protocol => (name || 'TCP').toLowerCase() as Protocol;
