/** A connection that did not come about, in the words of Go's client: people search for them. */
const REFUSED: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connect: connection refused',
  EHOSTUNREACH: 'connect: no route to host',
  ENETUNREACH: 'connect: network is unreachable',
};
const UNKNOWN_AUTHORITY: ReadonlySet<string> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_SIGNATURE_FAILURE',
]);
const X509 = 'tls: failed to verify certificate: x509:';

/** What Go's dialler says of a connection that did not come about. */
export function dialProblem(error: Error, { host, port }: { host: string; port: number | string }): string {
  const { code = '', message } = error as NodeJS.ErrnoException;
  if (REFUSED[code]) return `dial tcp ${host.includes(':') ? `[${host}]` : host}:${port}: ${REFUSED[code]}`;
  if (code === 'ENOTFOUND') return `dial tcp: lookup ${host}: no such host`;
  if (UNKNOWN_AUTHORITY.has(code)) return `${X509} certificate signed by unknown authority`;
  if (code === 'CERT_HAS_EXPIRED') return `${X509} certificate has expired or is not yet valid`;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return `${X509} certificate is not valid for the name: ${message}`;
  if (code === 'ECONNRESET') return 'EOF';
  return message;
}
