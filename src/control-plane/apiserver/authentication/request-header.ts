/**
 * Users named by a front proxy, in headers. The proxy must show a certificate of its own authority, and a name that is
 * allowed to it: these headers say who is asking, and are believed. Source: documentation, "Authenticating Proxy".
 */
import { unauthorized } from '#api/machinery/status.ts';
import type { UserInfo } from '#client/transport.ts';
import type { Authenticator, Credentials } from './authenticator.ts';
import type { ClientCertificates } from './client-certificate.ts';
import { decodedExtraKey } from './extra-key.ts';

export interface RequestHeaderOptions {
  certificates: ClientCertificates;
  /** Common names. Empty: any that the authority has signed. */
  allowedNames: readonly string[];
  usernameHeaders: readonly string[];
  uidHeaders?: readonly string[];
  groupHeaders: readonly string[];
  extraHeaderPrefixes: readonly string[];
}

/** What an API server and its aggregator agree on; as kubeadm sets it. */
export const STANDARD_HEADERS = {
  usernameHeaders: ['X-Remote-User'],
  uidHeaders: ['X-Remote-Uid'],
  groupHeaders: ['X-Remote-Group'],
  extraHeaderPrefixes: ['X-Remote-Extra-'],
} as const;

type Headers = Credentials['headers'];

export function requestHeaderAuthenticator(options: RequestHeaderOptions): Authenticator {
  const usernameHeaders = lowered(options.usernameHeaders);
  const uidHeaders = lowered(options.uidHeaders ?? []);
  const groupHeaders = lowered(options.groupHeaders);
  const prefixes = lowered(options.extraHeaderPrefixes);

  const userIn = (headers: Headers): UserInfo | undefined => {
    const name = firstOf(headers, usernameHeaders);
    if (!name) return undefined;
    const uid = firstOf(headers, uidHeaders);
    const extra = extraIn(headers, prefixes);
    return {
      name,
      ...(uid && { uid }),
      groups: groupHeaders.flatMap((header) => valuesOf(headers, header)),
      ...(extra && { extra }),
    };
  };
  return {
    authenticate({ clientCertificate, headers }) {
      // Requests without the headers are most: their certificates are not looked at here.
      if (!clientCertificate || !usernameHeaders.some((header) => headers[header])) return undefined;
      const known = options.certificates.known(clientCertificate); // 401 when it is out of date
      if (!known) return undefined;
      const { allowedNames } = options;
      if (allowedNames.length > 0 && !allowedNames.includes(known.commonName)) throw unauthorized();
      const user = userIn(headers);
      return user && { user };
    },
  };
}

const lowered = (names: readonly string[]): string[] => names.map((name) => name.trim().toLowerCase());

/** Node joins repeated headers with a comma and a space. */
const valuesOf = (headers: Headers, name: string): string[] => {
  const value = headers[name];
  if (value === undefined) return [];
  return (Array.isArray(value) ? value : value.split(', ')).filter(Boolean);
};

const firstOf = (headers: Headers, names: readonly string[]): string => {
  for (const name of names) {
    const value = headers[name];
    const first = Array.isArray(value) ? value[0] : value;
    if (first) return first;
  }
  return '';
};

function extraIn(headers: Headers, prefixes: readonly string[]): Record<string, string[]> | undefined {
  let extra: Record<string, string[]> | undefined;
  for (const prefix of prefixes)
    for (const header of Object.keys(headers)) {
      if (!header.startsWith(prefix)) continue;
      extra ??= Object.create(null) as Record<string, string[]>;
      const key = decodedExtraKey(header.slice(prefix.length));
      extra[key] = [...(extra[key] ?? []), ...valuesOf(headers, header)];
    }
  return extra;
}
