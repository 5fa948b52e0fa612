/** `https:web:8443`, `web:http`, `web`: what a proxy URL names. Source: API reference, connect proxy requests. */
import { type IpRange, parseCidr, parseIp, rangeContains } from '#api/machinery/ip.ts';
import { badRequest } from '#api/machinery/status.ts';

export interface ProxyTarget {
  scheme: '' | 'http' | 'https';
  id: string;
  /** A number, a name, or ''. */
  port: string;
}

export function proxyTarget(text: string): ProxyTarget {
  const parts = text.split(':');
  const refuse = () => badRequest(`invalid proxy request ${JSON.stringify(text)}`);
  if (parts.length === 1) return { scheme: '', id: text, port: '' };
  if (parts.length === 2) return { scheme: '', id: parts[0]!, port: parts[1]! };
  const [scheme, id, port] = parts;
  if (parts.length > 3 || (scheme !== 'http' && scheme !== 'https' && scheme !== '')) throw refuse();
  return { scheme, id: id!, port: port! };
}

/**
 * Throws BadRequest for addresses that are of the API server's own machine or link: whoever may write a pod's status
 * must not reach what listens there. Source: upstream's util/proxy, IsProxyableIP.
 */
export function refuseOwnAddress(ip: string): void {
  const bytes = parseIp(ip);
  if (!bytes || FORBIDDEN.some((range) => rangeContains(range, bytes))) throw badRequest('address not allowed');
}

const FORBIDDEN: readonly IpRange[] = [
  '0.0.0.0/8',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/4',
  '::/127',
  '::ffff:0:0/96',
  'fe80::/10',
  'ff00::/8',
].map((cidr) => parseCidr(cidr)!);
