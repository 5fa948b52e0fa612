/**
 * Users by client certificate: the common name is the user, each organization a group. The certificate must be signed by
 * one of the CAs themselves; chains with intermediates are not followed.
 */
import { createHash, X509Certificate } from 'node:crypto';
import { unauthorized } from '#api/machinery/status.ts';
import type { Clock } from '#base/clock.ts';
import type { UserInfo } from '#client/transport.ts';
import type { Authenticated, Authenticator, Credentials } from './authenticator.ts';

const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const ANY_USE = '2.5.29.37.0';

interface Known {
  user: UserInfo;
  notBeforeMs: number;
  notAfterMs: number;
}

export class ClientCertificateAuthenticator implements Authenticator {
  readonly #authorities: readonly X509Certificate[];
  readonly #clock: Clock;
  /** By connection, as long as the server keeps its certificate: a signature is checked once. undefined: not good. */
  readonly #known = new WeakMap<X509Certificate, Known | { refused: string }>();

  /** `authorities`: PEM or DER, one certificate each. */
  constructor({ authorities, clock }: { authorities: readonly (string | Uint8Array)[]; clock: Clock }) {
    this.#authorities = authorities.map((one) => new X509Certificate(one));
    this.#clock = clock;
  }

  async authenticate({ clientCertificate }: Credentials): Promise<Authenticated | undefined> {
    if (!clientCertificate) return undefined;
    const known = this.#known.get(clientCertificate) ?? this.#examine(clientCertificate);
    this.#known.set(clientCertificate, known);
    if ('refused' in known) throw unauthorized();
    const nowMs = this.#clock.now();
    if (nowMs < known.notBeforeMs || nowMs > known.notAfterMs) throw unauthorized();
    return { user: known.user };
  }

  #examine(certificate: X509Certificate): Known | { refused: string } {
    const signed = this.#authorities.some((ca) => certificate.checkIssued(ca) && certificate.verify(ca.publicKey));
    if (!signed) return { refused: 'signed by an unknown authority' };
    const usages = certificate.keyUsage as readonly string[] | undefined; // absent without the extension
    if (usages?.length && !usages.includes(CLIENT_AUTH) && !usages.includes(ANY_USE))
      return { refused: 'not for clients' };
    const user = userOf(certificate);
    if (!user) return { refused: 'without a common name' };
    return { user, notBeforeMs: Date.parse(certificate.validFrom), notAfterMs: Date.parse(certificate.validTo) };
  }
}

/** Not from `subject`, which is text made for people: a name may hold anything. */
function userOf(certificate: X509Certificate): UserInfo | undefined {
  const { subject } = certificate.toLegacyObject();
  const name = listOf(subject.CN).at(-1);
  if (!name) return undefined;
  const fingerprint = createHash('sha256').update(certificate.raw).digest('hex');
  return {
    name,
    groups: listOf(subject.O),
    extra: { 'authentication.kubernetes.io/credential-id': [`X509SHA256=${fingerprint}`] },
  };
}

const listOf = (value: string | string[] | undefined): string[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value];
