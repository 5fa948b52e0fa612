/**
 * Nobody asks for a client certificate of system:masters: it could not be taken back. The request is read here only as
 * far as its subject (RFC 2986: version, subject, …).
 */
import type { CertificateSigningRequest } from '#api/generated/schema.ts';
import { MASTERS_GROUP } from '../authentication/authenticator.ts';
import { defineAdmission, refused } from './define-admission.ts';

const CLIENT_SIGNER = 'kubernetes.io/kube-apiserver-client';
const ORGANIZATION = '55040a'; // 2.5.4.10, as its bytes

export const certificateSubjectRestriction = defineAdmission<CertificateSigningRequest>({
  name: 'CertificateSubjectRestriction',
  on: { resources: [{ group: 'certificates.k8s.io', plural: 'certificatesigningrequests' }], verbs: ['create'] },

  validate(request) {
    const { object } = request;
    if (object?.spec.signerName !== CLIENT_SIGNER) return;
    const organizations = organizationsIn(Buffer.from(object.spec.request, 'base64').toString('utf8'));
    if (!organizations) throw refused(request, 'unable to parse CSR');
    if (organizations.includes(MASTERS_GROUP))
      throw refused(request, `use of ${CLIENT_SIGNER} signer with ${MASTERS_GROUP} group is not allowed`);
  },
});

/** undefined when it is not a certificate request. */
export function organizationsIn(pem: string): string[] | undefined {
  const [, base64] = /-----BEGIN CERTIFICATE REQUEST-----([^-]*)-----END/.exec(pem) ?? [];
  if (!base64) return undefined;
  const subject = inside(inside(inside([Buffer.from(base64, 'base64')])[0])[0])[1];
  if (!subject) return undefined;
  const attributes = inside(subject).flatMap((set) => inside(set));
  return attributes.flatMap((attribute) => {
    const [type, value] = inside(attribute);
    return type && value && type.content.toString('hex') === ORGANIZATION ? [textOf(value)] : [];
  });
}

interface Element {
  tag: number;
  content: Buffer;
}

const BMP_STRING = 0x1e;

function textOf({ tag, content }: Element): string {
  if (tag !== BMP_STRING) return content.toString('utf8');
  return Buffer.from(content.subarray(0, content.length & ~1))
    .swap16()
    .toString('utf16le');
}

/** The elements in a constructed one; of a list of bytes the elements that they are. Ends where the bytes make no sense. */
function inside(outer: Element | [Buffer] | undefined): Element[] {
  const bytes = outer === undefined ? Buffer.alloc(0) : Array.isArray(outer) ? outer[0] : outer.content;
  const elements: Element[] = [];
  for (let at = 0; at + 2 <= bytes.length; ) {
    const first = bytes[at + 1] ?? 0;
    const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
    if (lengthBytes > 4 || at + 2 + lengthBytes > bytes.length) return elements;
    const length = lengthBytes === 0 ? first : bytes.readUIntBE(at + 2, lengthBytes);
    const start = at + 2 + lengthBytes;
    if (start + length > bytes.length) return elements;
    elements.push({ tag: bytes[at] ?? 0, content: bytes.subarray(start, start + length) });
    at = start + length;
  }
  return elements;
}
