/** The grammar of image names, and what is said of names that do not fit. Source: distribution, reference.ParseNormalizedNamed. */

const ALPHANUMERIC = '[a-z0-9]+';
const COMPONENT = `${ALPHANUMERIC}(?:(?:__|[._]|-+)${ALPHANUMERIC})*`;
const HOST_PART = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const HOST = `(?:${HOST_PART}(?:\\.${HOST_PART})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const TAG = '\\w[\\w.-]{0,127}';
const DIGEST = '[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}';
const REFERENCE = new RegExp(`^(?:${HOST}/)?(${COMPONENT}(?:/${COMPONENT})*)(?::${TAG})?(?:@(${DIGEST}))?$`);
const MOST_PATH = 255;
/** Nothing longer can be a name with tag and digest. */
const MOST = 2048;
const INVALID = 'invalid reference format';
const LENGTHS: Record<string, number> = { sha256: 64, sha384: 96, sha512: 128 };

/** undefined: it is a name. */
export function invalidReference(image: string): string | undefined {
  if (/^[a-f0-9]{64}$/.test(image))
    return `invalid repository name (${image}), cannot specify 64-byte hexadecimal strings`;
  const { host, rest } = splitHost(image);
  const [path = ''] = rest.split(':', 1);
  if (path.toLowerCase() !== path) return `${INVALID}: repository name (${path}) must be lowercase`;
  const whole = `${host}/${rest}`;
  const [matched, name = '', digest] = (whole.length > MOST ? undefined : REFERENCE.exec(whole)) ?? [];
  if (matched === undefined)
    return whole.length <= MOST && REFERENCE.test(whole.toLowerCase()) ? 'repository name must be lowercase' : INVALID;
  if (name.length > MOST_PATH) return `repository name must not be more than ${MOST_PATH} characters`;
  return digest === undefined ? undefined : invalidDigest(digest);
}

function splitHost(image: string): { host: string; rest: string } {
  const at = image.indexOf('/');
  if (at === -1) return { host: 'docker.io', rest: `library/${image}` };
  const first = image.slice(0, at);
  const isHost = first === 'localhost' || /[.:]/.test(first) || first.toLowerCase() !== first;
  return isHost ? { host: first, rest: image.slice(at + 1) } : { host: 'docker.io', rest: image };
}

function invalidDigest(digest: string): string | undefined {
  const at = digest.indexOf(':');
  const [algorithm, hex] = [digest.slice(0, at), digest.slice(at + 1)];
  const length = Object.hasOwn(LENGTHS, algorithm) ? LENGTHS[algorithm] : undefined;
  if (length === undefined) return 'unsupported digest algorithm';
  if (hex.length !== length) return 'invalid checksum digest length';
  return /^[a-f0-9]+$/.test(hex) ? undefined : 'invalid checksum digest format';
}
