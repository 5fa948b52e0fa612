/** Grammar of what stands in a registry's paths. Source: OCI distribution specification 1.1, "Pulling manifests". */
import { isDigest } from './digests.ts';
import { RegistryError } from './registry-error.ts';

const COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const NAME = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`);
const NAME_LENGTH = 255;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const DIGEST = /^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[A-Za-z0-9=_-]+$/;
const UPLOAD = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export function checkedRepository(name: string): string {
  if (name.length <= NAME_LENGTH && NAME.test(name)) return name;
  throw new RegistryError('NAME_INVALID', 'invalid repository name', { detail: { name: name.slice(0, NAME_LENGTH) } });
}

export function checkedDigest(digest: string): string {
  if (isDigest(digest)) return digest;
  const why = DIGEST.test(digest) ? 'this registry keeps sha256 and sha512 digests only' : 'invalid digest';
  throw new RegistryError('DIGEST_INVALID', why, { detail: { digest: digest.slice(0, NAME_LENGTH) } });
}

export type Reference = { tag: string; digest?: never } | { digest: string; tag?: never };

/** The last part of a manifest's path. */
export function checkedReference(text: string): Reference {
  if (text.includes(':')) return { digest: checkedDigest(text) };
  if (TAG.test(text)) return { tag: text };
  throw new RegistryError('MANIFEST_INVALID', 'invalid tag', { detail: { tag: text.slice(0, NAME_LENGTH) } });
}

export function checkedUpload(id: string): string {
  if (UPLOAD.test(id)) return id;
  throw new RegistryError('BLOB_UPLOAD_UNKNOWN', 'blob upload unknown to registry');
}
