/**
 * The ways from a certificate that a client shows to an authority that is believed (RFC 5280, 6.1), as Go's crypto/x509 judges
 * them, for TLS judges nothing here: each certificate is signed by the key of the next one, by a name that is the same byte for
 * byte; each but the first is an authority that may sign and may have so many below it; none is bound to other uses than
 * clients'; no signature is of a kind that can be forged; nothing that must be understood is passed over. The authority itself is held to all of
 * this but its own signature. Constraints of names are not reckoned out: whom they could be about is refused.
 */
import type { KeyObject, X509Certificate } from 'node:crypto';
import { type CertificateFacts, factsOf } from './certificate-facts.ts';

/** When all of a way is good: milliseconds of the epoch, both included. */
export interface Validity {
  notBeforeMs: number;
  notAfterMs: number;
}

/** What a client shows beside its own certificate; what comes behind is not looked at. */
const MAX_SHOWN = 10;
/** Who is not known yet must not make the server reckon for long. */
const MAX_SIGNATURES = 30;
const LARGEST_RSA_BITS = 8192;
const SMALLEST_RSA_BITS = 1024;

const CLIENT_AUTH = '06082b06010505070302';
const ANY_USE = '0604551d2500';

interface Judged {
  certificate: X509Certificate;
  facts: CertificateFacts;
  key: KeyObject;
}

/** Finds ways to these authorities. */
export class CertificatePaths {
  readonly #authorities: readonly Judged[];

  constructor(authorities: readonly X509Certificate[]) {
    this.#authorities = authorities.flatMap((one) => judged(one, 'believed') ?? []);
  }

  /** How long each way is good; none when there is no way. */
  of(certificate: X509Certificate): Validity[] {
    const leaf = judged(certificate);
    if (!leaf) return [];
    const shown = shownWith(certificate).flatMap((one) => judged(one) ?? []);
    return new PathSearch(this.#authorities, shown).from([leaf]);
  }
}

class PathSearch {
  readonly #authorities: readonly Judged[];
  readonly #shown: readonly Judged[];
  #signatures = 0;

  constructor(authorities: readonly Judged[], shown: readonly Judged[]) {
    this.#authorities = authorities;
    this.#shown = shown;
  }

  from(path: readonly Judged[]): Validity[] {
    const last = path.at(-1)!;
    if (path.length === 1 && isAmong(last, this.#authorities)) return isGood(path) ? [validityOf(path)] : [];
    const ways: Validity[] = [];
    for (const authority of this.#authorities) {
      const whole = [...path, authority];
      if (this.#isIssuer(authority, path) && isGood(whole)) ways.push(validityOf(whole));
    }
    for (const issuer of this.#shown)
      if (!isAmong(issuer, path) && !isAmong(issuer, this.#authorities) && this.#isIssuer(issuer, path))
        ways.push(...this.from([...path, issuer]));
    return ways;
  }

  /** The signature last, which is what takes time. */
  #isIssuer({ certificate: issuer, facts, key }: Judged, path: readonly Judged[]): boolean {
    const { certificate, facts: below } = path.at(-1)!;
    if (below.issuer !== facts.subject || !facts.isAuthority || path.length - 1 > facts.maxPathLength) return false;
    if (!certificate.checkIssued(issuer) || !isStrong(below.signatureAlgorithm)) return false;
    if (++this.#signatures > MAX_SIGNATURES) return false;
    return certificate.verify(key);
  }
}

const isAmong = ({ certificate }: Judged, many: readonly Judged[]): boolean =>
  many.some((one) => one.certificate.raw.equals(certificate.raw));

/** In the order in which they are shown, each once. */
function shownWith(certificate: X509Certificate): X509Certificate[] {
  const shown = new Map<string, X509Certificate>();
  let next = certificate.issuerCertificate;
  for (let count = 0; next && count < MAX_SHOWN; count++) {
    shown.set(next.fingerprint256, next);
    next = next.issuerCertificate;
  }
  return [...shown.values()];
}

/** undefined for one that cannot be read, or has a key of a kind that is not taken. */
function judged(certificate: X509Certificate, isBelieved?: 'believed'): Judged | undefined {
  try {
    const key = certificate.publicKey;
    if (!isTaken(key, isBelieved ? Number.POSITIVE_INFINITY : LARGEST_RSA_BITS)) return undefined;
    const facts = factsOf(certificate);
    const isAuthority = facts.isAuthority || (isBelieved !== undefined && !facts.hasExtensions);
    return { certificate, facts: { ...facts, isAuthority }, key };
  } catch {
    return undefined; // whatever is wrong with it, it is not good
  }
}

const CURVES: readonly (string | undefined)[] = ['secp224r1', 'prime256v1', 'secp384r1', 'secp521r1'];

function isTaken({ asymmetricKeyType: type, asymmetricKeyDetails: details }: KeyObject, largestBits: number): boolean {
  if (type === 'ec') return CURVES.includes(details?.namedCurve);
  const bits = details?.modulusLength ?? 0;
  return type === 'ed25519' || (type === 'rsa' && bits >= SMALLEST_RSA_BITS && bits <= largestBits);
}

function isGood(path: readonly Judged[]): boolean {
  const facts = path.map((one) => one.facts);
  const hasNames = facts.some(({ hasAlternativeNames }) => hasAlternativeNames);
  return facts.every(
    ({ usages, notUnderstood, constrainsNames }) =>
      notUnderstood === undefined &&
      (usages.length === 0 || usages.includes(CLIENT_AUTH) || usages.includes(ANY_USE)) &&
      !(constrainsNames && hasNames),
  );
}

const validityOf = (path: readonly Judged[]): Validity => ({
  notBeforeMs: Math.max(...path.map(({ certificate }) => Date.parse(certificate.validFrom))),
  notAfterMs: Math.min(...path.map(({ certificate }) => Date.parse(certificate.validTo))),
});

/** PSS with one of these hashes (its last byte: SHA-256, 384, 512), for the mask as well, and a salt as long as the hash. */
function pssWith(hash: string, saltLength: string, parameters: '0500' | ''): string {
  const element = (tag: string, content: string) => tag + (content.length / 2).toString(16).padStart(2, '0') + content;
  const algorithm = element('30', `06096086480165030402${hash}${parameters}`);
  const mask = element('30', `06092a864886f70d010108${algorithm}`);
  const details = element('a0', algorithm) + element('a1', mask) + element('a2', `0201${saltLength}`);
  return element('30', `06092a864886f70d01010a${element('30', details)}`);
}

/** All but those with MD2, MD5 and SHA-1, and DSA: AlgorithmIdentifiers, in hexadecimal digits of their DER. */
const STRONG = new Set([
  ...['0b', '0c', '0d'].map((kind) => `300d06092a864886f70d0101${kind}0500`), // RSA with SHA-256, 384, 512
  ...['02', '03', '04'].map((kind) => `300a06082a8648ce3d0403${kind}`), // ECDSA with the same
  '300506032b6570', // Ed25519
  ...(['0500', ''] as const).flatMap((parameters) => [
    pssWith('01', '20', parameters),
    pssWith('02', '30', parameters),
    pssWith('03', '40', parameters),
  ]),
]);

const isStrong = (algorithm: string): boolean => STRONG.has(algorithm);
