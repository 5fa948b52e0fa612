/** IP addresses and ranges: the two network libraries of Kubernetes. */
import * as cel from '../cel-type.ts';
import { fixed, plus, type Range, scaled, traversed } from '../cost/estimate-call.ts';
import { sizeOf, TRAVERSAL, traversal } from '../cost/size.ts';
import {
  type Evaluate,
  type FunctionDeclaration,
  type Library,
  member,
  overload,
  type RunTimeCost,
} from '../library.ts';
import { NO_OVERLOAD } from '../operations/errors.ts';
import { CelError, type Result } from '../value.ts';
import { alongText, nominal } from './costs.ts';
import { CIDR, CidrValue, cidrOf, IP, IpValue, ipOf } from './ip-value.ts';

const { BOOL, INT, STRING } = cel;

const isV6 = (bytes: Uint8Array): boolean => bytes.length === 16;
const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);

const isLoopback = (bytes: Uint8Array): boolean =>
  isV6(bytes) ? isZero(bytes.subarray(0, 15)) && bytes[15] === 1 : bytes[0] === 127;
const isLinkLocalMulticast = (bytes: Uint8Array): boolean =>
  isV6(bytes) ? bytes[0] === 0xff && (bytes[1]! & 0x0f) === 2 : bytes[0] === 224 && bytes[1] === 0 && bytes[2] === 0;
const isLinkLocalUnicast = (bytes: Uint8Array): boolean =>
  isV6(bytes) ? bytes[0] === 0xfe && (bytes[1]! & 0xc0) === 0x80 : bytes[0] === 169 && bytes[1] === 254;
const isMulticast = (bytes: Uint8Array): boolean => (isV6(bytes) ? bytes[0] === 0xff : (bytes[0]! & 0xf0) === 0xe0);
const isBroadcast = (bytes: Uint8Array): boolean => !isV6(bytes) && bytes.every((byte) => byte === 255);

const isGlobalUnicast = (bytes: Uint8Array): boolean =>
  ![isZero, isBroadcast, isLoopback, isMulticast, isLinkLocalUnicast].some((is) => is(bytes));

const asks = (name: string, id: string, holds: (bytes: Uint8Array) => boolean): FunctionDeclaration => ({
  name,
  overloads: [member(id, [IP], BOOL, ({ bytes }: IpValue) => holds(bytes))],
  ...nominal,
});

function isCanonical(text: string): Result {
  const ip = ipOf(text);
  return ip instanceof CelError ? ip : ip.text === text;
}

function masked({ ip, prefixLength }: CidrValue): CidrValue {
  const bytes = ip.bytes.map((byte, i) => byte & (0xff00 >> Math.min(8, Math.max(0, prefixLength - i * 8))));
  return new CidrValue(new IpValue(bytes), prefixLength);
}

/** The argument may be a text. */
const withParsed =
  <T>(parse: (text: string) => T | CelError, evaluate: (cidr: CidrValue, other: T) => boolean): Evaluate =>
  (cidr: CidrValue, text: string): Result => {
    const other = parse(text);
    return other instanceof CelError ? other : evaluate(cidr, other);
  };

/** Upstream does not say what is wrong with the address. */
function parsedIp(text: string): IpValue | CelError {
  const ip = ipOf(text);
  return ip instanceof CelError ? NO_OVERLOAD : ip;
}

const containsIp = (cidr: CidrValue, ip: IpValue): boolean => cidr.contains(ip);

const containsCidr = (cidr: CidrValue, other: CidrValue): boolean =>
  cidr.contains(other.ip) && cidr.prefixLength <= other.prefixLength;

/** Of either family. */
const ADDRESS: Range = { min: 4, max: 16 };

/** Two comparisons of bytes, `more` for what comes on top; a text is looked through too. */
const comparing = (withText: string, more: { cost: (size: number) => number; estimate: Range }) => ({
  cost: (({ overload: id, args: [cidr, other] }) => {
    const size = sizeOf(cidr!);
    return traversal(2 * size) + more.cost(size) + (id === withText ? traversal(sizeOf(other!)) : 0);
  }) as RunTimeCost,
  estimate: (({ overload: id, args: [other] }) => {
    const bytes = plus(traversed(plus(ADDRESS, ADDRESS)), more.estimate);
    return { cost: id === withText ? plus(bytes, traversed(other!.size)) : bytes };
  }) as NonNullable<FunctionDeclaration['estimate']>,
});

/** Text → value: its function, and the one that asks whether it is one. */
const parsers = (
  [name, id, type]: readonly [string, string, cel.CelType],
  [isName, isId]: readonly [string, string],
  parse: (text: string) => Result,
): FunctionDeclaration[] => [
  { name, overloads: [overload(id, [STRING], type, parse)], ...alongText },
  {
    name: isName,
    overloads: [overload(isId, [STRING], BOOL, (text: string) => !(parse(text) instanceof CelError))],
    ...alongText,
  },
];

export const ips: Library = {
  name: 'kubernetes.net.ip',
  types: [IP],
  functions: [
    ...parsers(['ip', 'string_to_ip', IP], ['isIP', 'is_ip'], ipOf),
    {
      name: 'family',
      overloads: [member('ip_family', [IP], INT, ({ bytes }: IpValue) => (isV6(bytes) ? 6 : 4))],
      ...nominal,
    },
    {
      name: 'ip.isCanonical',
      overloads: [overload('ip_is_canonical', [STRING], BOOL, isCanonical)],
      cost: ({ args: [text] }) => Math.ceil(sizeOf(text!) * 2 * TRAVERSAL),
      estimate: ({ args: [text] }) => ({ cost: scaled(text!.size, 2 * TRAVERSAL) }),
    },
    asks('isUnspecified', 'ip_is_unspecified', isZero),
    asks('isLoopback', 'ip_is_loopback', isLoopback),
    asks('isLinkLocalMulticast', 'ip_is_link_local_multicast', isLinkLocalMulticast),
    asks('isLinkLocalUnicast', 'ip_is_link_local_unicast', isLinkLocalUnicast),
    asks('isGlobalUnicast', 'ip_is_global_unicast', isGlobalUnicast),
    { name: 'string', overloads: [overload('ip_to_string', [IP], STRING, ({ text }: IpValue) => text)] },
  ],
};

export const cidrs: Library = {
  name: 'kubernetes.net.cidr',
  types: [CIDR],
  functions: [
    ...parsers(['cidr', 'string_to_cidr', CIDR], ['isCIDR', 'is_cidr'], cidrOf),
    {
      name: 'containsIP',
      overloads: [
        member('cidr_contains_ip_string', [CIDR, STRING], BOOL, withParsed(parsedIp, containsIp)),
        member('cidr_contains_ip_ip', [CIDR, IP], BOOL, containsIp),
      ],
      ...comparing('cidr_contains_ip_string', { cost: () => 0, estimate: fixed(0) }),
    },
    {
      name: 'containsCIDR',
      overloads: [
        member('cidr_contains_cidr_string', [CIDR, STRING], BOOL, withParsed(cidrOf, containsCidr)),
        member('cidr_contains_cidr', [CIDR, CIDR], BOOL, containsCidr),
      ],
      ...comparing('cidr_contains_cidr_string', {
        cost: (size) => traversal(size) + 1,
        estimate: plus(traversed(ADDRESS), fixed(1)),
      }),
    },
    {
      name: 'ip',
      overloads: [member('cidr_ip', [CIDR], IP, ({ ip }: CidrValue) => ip)],
      cost: ({ overload: id }) => (id === 'cidr_ip' ? 1 : undefined),
      estimate: ({ overload: id }) => (id === 'cidr_ip' ? { cost: fixed(1) } : undefined),
    },
    {
      name: 'prefixLength',
      overloads: [member('cidr_prefix_length', [CIDR], INT, ({ prefixLength }: CidrValue) => prefixLength)],
      ...nominal,
    },
    { name: 'masked', overloads: [member('cidr_masked', [CIDR], CIDR, masked)], ...nominal },
    { name: 'string', overloads: [overload('cidr_to_string', [CIDR], STRING, ({ text }: CidrValue) => text)] },
  ],
};
