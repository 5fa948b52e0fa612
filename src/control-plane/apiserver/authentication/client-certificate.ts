/**
 * Users by client certificate: the common name is the user, each organization a group. One of the authorities has signed the
 * certificate, or an intermediate authority that the client shows with it. Names that an authority is bound to are not looked
 * at: none of them is about users.
 */
import { createHash, X509Certificate } from 'node:crypto';
import { unauthorized } from '#api/machinery/status.ts';
import type { Clock } from '#base/clock.ts';
import type { UserInfo } from '#client/transport.ts';
import type { Authenticated, Authenticator, Credentials } from './authenticator.ts';

const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const ANY_USE = '2.5.29.37.0';

/** What a certificate of one of the authorities says. */
export interface KnownCertificate {
  commonName: string;
  organizations: readonly string[];
  user: UserInfo;
  notBeforeMs: number;
  notAfterMs: number;
}

/** Tells certificates that some authorities have signed for clients. */
export class ClientCertificates {
  readonly #authorities: readonly X509Certificate[];
  readonly #clock: Clock;
  /** By connection, as long as the server keeps its certificate: a signature is checked once. undefined: not good. */
  readonly #known = new WeakMap<X509Certificate, KnownCertificate | { refused: string }>();

  /** `authorities`: PEM or DER, one certificate each. */
  constructor({ authorities, clock }: { authorities: readonly (string | Uint8Array)[]; clock: Clock }) {
    this.#authorities = authorities.map((one) => new X509Certificate(one));
    this.#clock = clock;
  }

  /** undefined when somebody else has signed it, or not for clients. Throws Unauthorized outside its time. */
  known(certificate: X509Certificate): KnownCertificate | undefined {
    const known = this.#known.get(certificate) ?? this.#examine(certificate);
    this.#known.set(certificate, known);
    if ('refused' in known) return undefined;
    const nowMs = this.#clock.now();
    if (nowMs < known.notBeforeMs || nowMs > known.notAfterMs) throw unauthorized();
    return known;
  }

  #examine(certificate: X509Certificate): KnownCertificate | { refused: string } {
    const chain = this.#chainOf(certificate);
    if (!chain) return { refused: 'signed by an unknown authority' };
    if (!chain.every(isForClients)) return { refused: 'not for clients' };
    const { commonName, organizations } = namesIn(certificate);
    const fingerprint = createHash('sha256').update(certificate.raw).digest('hex');
    return {
      commonName,
      organizations,
      user: {
        name: commonName,
        groups: organizations,
        extra: { 'authentication.kubernetes.io/credential-id': [`X509SHA256=${fingerprint}`] },
      },
      notBeforeMs: Math.max(...chain.map(({ validFrom }) => Date.parse(validFrom))),
      notAfterMs: Math.min(...chain.map(({ validTo }) => Date.parse(validTo))),
    };
  }

  /** The certificate and what the client has shown of its issuers, up to one that an authority has signed itself. */
  #chainOf(certificate: X509Certificate): X509Certificate[] | undefined {
    const chain = [certificate];
    for (let last = certificate; chain.length <= MAX_INTERMEDIATES + 1; ) {
      if (this.#authorities.some((ca) => isSignedBy(last, ca))) return chain;
      const issuer = last.issuerCertificate;
      if (!issuer?.ca || !isSignedBy(last, issuer)) return undefined;
      chain.push(issuer);
      last = issuer;
    }
    return undefined;
  }
}

const MAX_INTERMEDIATES = 5;

const isSignedBy = (certificate: X509Certificate, authority: X509Certificate): boolean =>
  certificate.checkIssued(authority) && certificate.verify(authority.publicKey);

/** Without the extension it is for everything. */
function isForClients({ keyUsage }: X509Certificate): boolean {
  const usages = keyUsage as readonly string[] | undefined;
  return !usages?.length || usages.includes(CLIENT_AUTH) || usages.includes(ANY_USE);
}

export class ClientCertificateAuthenticator implements Authenticator {
  readonly #certificates: ClientCertificates;

  constructor(options: ConstructorParameters<typeof ClientCertificates>[0]) {
    this.#certificates = new ClientCertificates(options);
  }

  /** Throws Unauthorized for a certificate of nobody known. */
  authenticate({ clientCertificate }: Credentials): Authenticated | undefined {
    if (!clientCertificate) return undefined;
    const known = this.#certificates.known(clientCertificate);
    if (!known?.commonName) throw unauthorized();
    return { user: known.user };
  }
}

/** Not from `subject`, which is text made for people: a name may hold anything. */
function namesIn(certificate: X509Certificate): { commonName: string; organizations: string[] } {
  const { subject } = certificate.toLegacyObject();
  return { commonName: listOf(subject.CN).at(-1) ?? '', organizations: listOf(subject.O) };
}

const listOf = (value: string | string[] | undefined): string[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value];
