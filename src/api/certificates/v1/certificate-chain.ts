/** Certificates as a signer returns them: what is wrong with their form, and when the first ends. */
import { contextTag, elementsIn, MalformedDer, partsOf, timeIn } from './der.ts';
import { pemBlocksIn } from './pem.ts';

/** In upstream's words; undefined for nothing. */
export function certificateProblem(pem: string): string | undefined {
  if (pem === '') return undefined;
  const blocks = pemBlocksIn(pem);
  for (const { type, headers, bytes } of blocks) {
    if (type !== 'CERTIFICATE') return `only CERTIFICATE PEM blocks are allowed, found ${JSON.stringify(type)}`;
    if (headers.length > 0) return 'no PEM block headers are permitted';
    const problem = derProblem(bytes);
    if (problem) return problem;
  }
  return blocks.length === 0 ? 'must contain at least one CERTIFICATE PEM block' : undefined;
}

function derProblem(bytes: Uint8Array): string | undefined {
  try {
    const certificates = elementsIn(bytes);
    if (certificates.length === 0) return 'found CERTIFICATE PEM block containing 0 certificates';
    for (const certificate of certificates) endOf(certificate.whole);
    return undefined;
  } catch (error) {
    if (error instanceof MalformedDer) return error.message;
    throw error;
  }
}

/** ms since the epoch; undefined when there is no certificate in it that can be read. */
export function notAfterIn(pem: string): number | undefined {
  try {
    const [block] = pemBlocksIn(pem);
    return block && endOf(block.bytes);
  } catch (error) {
    if (error instanceof MalformedDer) return undefined;
    throw error;
  }
}

/** Version (optional), serial, algorithm, issuer, validity, … */
function endOf(der: Uint8Array): number {
  const [toBeSigned, algorithm, signature] = partsOf(elementsIn(der)[0]);
  if (!algorithm || !signature) throw new MalformedDer('x509: malformed certificate');
  const parts = partsOf(toBeSigned);
  const validity = parts[parts[0]?.tag === contextTag(0) ? 4 : 3];
  return timeIn(partsOf(validity)[1]);
}
