/**
 * How one API server tells another who asks: the user in headers that count only beside the front proxy's client
 * certificate. Source: "Configure the Aggregation Layer"; client-go, transport.SetAuthProxyHeaders.
 */
import type { UserInfo } from '#client/transport.ts';

export const USER_HEADER = 'X-Remote-User';
export const GROUP_HEADER = 'X-Remote-Group';
export const UID_HEADER = 'X-Remote-Uid';
export const EXTRA_PREFIX = 'X-Remote-Extra-';

const PREFIX = 'x-remote-';

/** What a client sends of these itself must never reach another API server. `name` in lower case. */
export const isFrontProxyHeader = (name: string): boolean => name.startsWith(PREFIX);

/** Pairs of name and value; a group each. */
export function frontProxyHeaders({ name, uid, groups, extra = {} }: UserInfo): [string, string][] {
  return [
    [USER_HEADER, asHeader(name)],
    ...(uid ? [[UID_HEADER, asHeader(uid)] as [string, string]] : []),
    ...groups.map((group): [string, string] => [GROUP_HEADER, asHeader(group)]),
    ...Object.entries(extra).flatMap(([key, values]) =>
      values.map((value): [string, string] => [`${EXTRA_PREFIX}${escapedKey(key)}`, asHeader(value)]),
    ),
  ];
}

/** RFC 9110's tokens, less the percent sign that the escape begins with. */
const NOT_OF_A_TOKEN = /[^!#$&'*+\-.^_`|~0-9A-Za-z]/gu;

/** Header names are case-insensitive and tokens: whatever else a key has is escaped as in a URL. */
const escapedKey = (key: string): string =>
  key.replace(NOT_OF_A_TOKEN, (char) =>
    [...new TextEncoder().encode(char)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  );

/** As UTF-8, one character for each byte; a line break would begin a header of its own. */
const asHeader = (value: string): string => Buffer.from(value.replace(/\p{Cc}/gu, ' ')).toString('latin1');
