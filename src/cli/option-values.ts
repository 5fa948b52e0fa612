/** What may stand behind an option. */
import { existsSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { InvalidArgumentError } from 'commander';
import { modeTrouble } from '#network/proxy/mode-trouble.ts';
import type { ProxyMode } from '#network/proxy/modes.ts';
import type { PublishedServicePort } from '#node/machine/cluster-dir.ts';
import type { IpFamilies } from '#node/machine/slots.ts';

const MOST_NODES = 240;
const MOST_SIMULATED_NODES = 10_000;

const wholeNumber =
  (most: number) =>
  (text: string): number => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value <= most) return value;
    throw new InvalidArgumentError(`It must be a whole number up to ${most}.`);
  };

export const nodeCount = wholeNumber(MOST_NODES);
export const simulatedNodeCount = wholeNumber(MOST_SIMULATED_NODES);
export const lineCount = wholeNumber(1_000_000);

export function portNumber(text: string): number {
  const port = wholeNumber(65_535)(text);
  if (port < 1) throw new InvalidArgumentError('It must be a port from 1 to 65535.');
  return port;
}

/** `IPv4`, or `IPv4,IPv6` where this machine has IPv6. */
export function ipFamilies(text: string): IpFamilies {
  if (text === 'IPv4') return ['IPv4'];
  if (text !== 'IPv4,IPv6') throw new InvalidArgumentError('It must be IPv4 or IPv4,IPv6.');
  if (existsSync('/proc/sys/net/ipv6')) return ['IPv4', 'IPv6'];
  throw new InvalidArgumentError('This machine has no IPv6: its kernel was started without it.');
}

const PROXY_MODES: readonly ProxyMode[] = ['nftables', 'iptables', 'ipvs'];

/** Of kube-proxy. */
export function proxyMode(text: string): ProxyMode {
  const mode = PROXY_MODES.find((each) => each === text);
  if (!mode) throw new InvalidArgumentError('It must be nftables, iptables or ipvs.');
  const trouble = modeTrouble({ proxyMode: mode });
  if (trouble) throw new InvalidArgumentError(trouble);
  return mode;
}

const SECONDS = { s: 1, m: 60, h: 3600 } as const;

/** `5s`, `2m`, `1h`, or a bare number of seconds. */
export function seconds(text: string): number {
  const [, digits, unit = 's'] = /^(\d{1,9})([smh]?)$/.exec(text) ?? [];
  if (digits === undefined) throw new InvalidArgumentError('It must be a time such as 5s, 2m or 1h.');
  return Number(digits) * SECONDS[(unit || 's') as keyof typeof SECONDS];
}

const PUBLISHED = /^(\d{1,5}):([a-z0-9-]{1,63})\/([a-z0-9-]{1,63}):([a-z0-9-]{1,63})$/;

/** One more `PORT:NAMESPACE/SERVICE:PORT`; `none` takes back those that there were. */
export function publishedServices(text: string, before: PublishedServicePort[] = []): PublishedServicePort[] {
  if (text === 'none') return [];
  const [, port = '', namespace = '', service = '', to = ''] = PUBLISHED.exec(text) ?? [];
  const number = Number(port);
  if (number < 1 || number > 65_535)
    throw new InvalidArgumentError('It must be PORT:NAMESPACE/SERVICE:PORT, such as 8080:default/web:80, or none.');
  if (before.some((other) => other.port === number)) throw new InvalidArgumentError(`Port ${number} is given twice.`);
  return [...before, { port: number, namespace, service, to }];
}

/** One more address, which must be this machine's own: it goes into the API server's certificate. */
export function ownAddresses(text: string, before: string[] = []): string[] {
  const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses?.map(({ address }) => address) ?? []);
  if (isIPv4(text) && own.includes(text)) return [...new Set([...before, text])];
  throw new InvalidArgumentError(`It must be an IPv4 address of this machine: ${own.filter(isIPv4).join(', ')}.`);
}
