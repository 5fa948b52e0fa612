/** What of a manifest matters to a registry: what it needs, what it is about. Source: OCI image specification 1.1. */
import { isDigest } from './digests.ts';
import { RegistryError } from './registry-error.ts';

export interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
  artifactType?: string;
  annotations?: Record<string, string>;
}

export interface ManifestContent {
  mediaType: string;
  /** Digests of blobs that must be in the repository. */
  blobs: string[];
  /** Digests of manifests that an index lists. */
  manifests: string[];
  /** What it is attached to. */
  subject?: string;
  artifactType?: string;
  annotations?: Record<string, string>;
}

const IMAGES = new Set([
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
]);
const INDEXES = new Set([
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
]);
/** Layers that are by specification nowhere but at their maker's. */
const FOREIGN = /^application\/vnd\.(docker\.image\.rootfs\.foreign|oci\.image\.layer\.nondistributable)/;

/** Throws RegistryError. `contentType`: what its sender calls it. */
export function manifestContent(bytes: Uint8Array, contentType: string): ManifestContent {
  const manifest = parsed(bytes);
  const said = textOf(manifest['mediaType']);
  const [declared = ''] = contentType.split(';');
  const mediaType = said || declared.trim();
  if (said && declared && said !== declared.trim()) {
    throw invalid(`mediaType in manifest should be '${declared.trim()}' not '${said}'`);
  }
  if (manifest['schemaVersion'] !== 2) throw invalid('schemaVersion must be 2');
  const subject = manifest['subject'] === undefined ? undefined : descriptorOf(manifest['subject'], 'subject');
  const common = {
    mediaType,
    ...(subject && { subject: subject.digest }),
    ...(isTexts(manifest['annotations']) && { annotations: manifest['annotations'] }),
  };
  const artifactType = textOf(manifest['artifactType']);
  if (INDEXES.has(mediaType)) {
    const manifests = listOf(manifest['manifests'], 'manifests').map(({ digest }) => digest);
    return { ...common, blobs: [], manifests, ...(artifactType && { artifactType }) };
  }
  if (!IMAGES.has(mediaType)) throw invalid(`unknown media type ${JSON.stringify(mediaType.slice(0, 200))}`);
  const config = descriptorOf(manifest['config'], 'config');
  const layers = listOf(manifest['layers'], 'layers').filter((layer) => !FOREIGN.test(layer.mediaType));
  return {
    ...common,
    blobs: [config, ...layers].map(({ digest }) => digest),
    manifests: [],
    artifactType: artifactType || config.mediaType,
  };
}

function parsed(bytes: Uint8Array): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (isObject(value)) return value;
  } catch (error) {
    if (!(error instanceof SyntaxError) && !(error instanceof TypeError)) throw error;
  }
  throw invalid('a manifest is a JSON object');
}

function listOf(value: unknown, field: string): Descriptor[] {
  if (!Array.isArray(value)) throw invalid(`${field} must be a list`);
  return value.map((each) => descriptorOf(each, field));
}

function descriptorOf(value: unknown, field: string): Descriptor {
  if (!isObject(value)) throw invalid(`${field} must be a descriptor`);
  const { mediaType, digest, size } = value;
  if (typeof digest !== 'string' || !isDigest(digest)) throw invalid(`${field} has no digest`);
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) throw invalid(`${field} has no size`);
  return { mediaType: textOf(mediaType), digest, size };
}

const invalid = (why: string): RegistryError =>
  new RegistryError('MANIFEST_INVALID', 'manifest invalid', { detail: why });
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
const isTexts = (value: unknown): value is Record<string, string> =>
  isObject(value) && Object.values(value).every((each) => typeof each === 'string');
