/** The words of nftables for the two families of addresses. Each component has one table a family. Source: nft(8). */

export type IpFamily = 'ipv4' | 'ipv6';

export const familyOf = (ip: string): IpFamily => (ip.includes(':') ? 'ipv6' : 'ipv4');

/** Of addresses or ranges: each once, in their order. */
export const familiesOf = (ips: readonly string[]): IpFamily[] => [...new Set(ips.map(familyOf))];

/** As in `ip daddr`, and as the family of a table. */
export const familyWord = (family: IpFamily): 'ip' | 'ip6' => (family === 'ipv4' ? 'ip' : 'ip6');

/** As the type of a set's elements. */
export const addressType = (family: IpFamily): 'ipv4_addr' | 'ipv6_addr' =>
  family === 'ipv4' ? 'ipv4_addr' : 'ipv6_addr';
