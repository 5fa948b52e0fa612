/**
 * In which form the client wants the answer: its encoding, and whether the objects themselves, only their metadata or
 * a table. Source: API concepts, "Alternate representations of resources", "Receiving resources as Tables".
 */
import { PROTOBUF_MEDIA_TYPE } from '#api/machinery/codec-protobuf.ts';
import { badRequest, notAcceptable, StatusError } from '#api/machinery/status.ts';
import type { IncludeObject } from '#api/machinery/table.ts';
import { JSON_MEDIA_TYPE, YAML_MEDIA_TYPE } from '../request-body.ts';

export type Encoding = 'json' | 'yaml' | 'protobuf';
export type Shape = 'Object' | 'Table' | 'PartialObjectMetadata';

export interface Wanted {
  encoding: Encoding;
  shape: Shape;
  /** meta.k8s.io version of the Table or the metadata. */
  version: string;
  pretty: boolean;
}

const ENCODINGS: Readonly<Record<string, Encoding>> = {
  [JSON_MEDIA_TYPE]: 'json',
  [YAML_MEDIA_TYPE]: 'yaml',
  [PROTOBUF_MEDIA_TYPE]: 'protobuf',
};
const PLAIN: Wanted = { encoding: 'json', shape: 'Object', version: 'v1', pretty: false };

interface Clause {
  mediaType: string;
  parameters: ReadonlyMap<string, string>;
  quality: number;
}

/**
 * Which shapes the endpoint has. Protobuf is taken only by those who accept nothing else: JSON goes out without
 * encoding.
 */
export interface Offer {
  list: boolean;
  table: boolean;
  protobuf: boolean;
  /** A watch: there is none in YAML. */
  stream?: boolean;
}

/** Throws NotAcceptable. */
export function negotiate(accept: string, offer: Offer): Wanted {
  if (!accept || accept === '*/*' || accept === JSON_MEDIA_TYPE) return PLAIN;
  let binary: Wanted | undefined;
  for (const clause of clausesOf(accept)) {
    const wanted = wantedBy(clause, offer);
    if (!wanted) continue;
    if (wanted.encoding !== 'protobuf') return wanted;
    binary ??= wanted;
  }
  if (binary) return binary;
  throw notAcceptable(`only the following media types are accepted: ${mediaTypesOf(offer).join(', ')}`);
}

/** Of a refusal, which is told whatever its reader accepts: in JSON for people if nothing fits, as upstream does. */
export function negotiateStatus(accept: string): Wanted {
  try {
    return negotiate(accept, { list: false, table: false, protobuf: true });
  } catch (error) {
    if (error instanceof StatusError) return { ...PLAIN, pretty: true };
    throw error;
  }
}

/** Of a document that is there as JSON and under `binary` media types; undefined: not acceptable. */
export function documentEncoding(accept: string, binary: readonly string[]): 'json' | 'protobuf' | undefined {
  const types = clausesOf(accept || '*/*').map(({ mediaType }) => mediaType);
  if (types.some((type) => binary.includes(type))) return 'protobuf';
  return types.some((type) => type === JSON_MEDIA_TYPE || type === '*/*' || type === 'application/*')
    ? 'json'
    : undefined;
}

function mediaTypesOf({ protobuf, stream }: Offer): string[] {
  const types = [JSON_MEDIA_TYPE, ...(stream ? [] : [YAML_MEDIA_TYPE]), ...(protobuf ? [PROTOBUF_MEDIA_TYPE] : [])];
  return stream ? types.map((type) => `${type};stream=watch`) : types;
}

function wantedBy({ mediaType, parameters }: Clause, offer: Offer): Wanted | undefined {
  const isAny = mediaType === '*/*' || mediaType === 'application/*';
  const encoding = isAny ? 'json' : ENCODINGS[mediaType];
  if (!encoding || (encoding === 'protobuf' && !offer.protobuf) || (encoding === 'yaml' && offer.stream))
    return undefined;
  const pretty = parameters.get('pretty') === '1';
  const as = parameters.get('as');
  if (as === undefined) return { ...PLAIN, encoding, pretty };
  const version = parameters.get('v') ?? '';
  if (parameters.get('g') !== 'meta.k8s.io' || (version !== 'v1' && version !== 'v1beta1')) return undefined;
  if (as === 'Table') return offer.table ? { encoding, shape: 'Table', version, pretty } : undefined;
  const metadata = offer.list ? 'PartialObjectMetadataList' : 'PartialObjectMetadata';
  return as === metadata && offer.table ? { encoding, shape: 'PartialObjectMetadata', version, pretty } : undefined;
}

/** In order of quality, then as they stand. */
export function clausesOf(accept: string): Clause[] {
  const clauses = accept.split(',').map((text): Clause => {
    const [mediaType = '', ...rest] = text.split(';').map((part) => part.trim());
    const parameters = new Map(rest.map((part) => part.split('=', 2).map((side) => side.trim()) as [string, string]));
    const quality = Number(parameters.get('q') ?? '1');
    return { mediaType: mediaType.toLowerCase(), parameters, quality: Number.isNaN(quality) ? 0 : quality };
  });
  return clauses.filter(({ quality }) => quality > 0).sort((a, b) => b.quality - a.quality);
}

/** What a table's rows carry of their objects. Throws BadRequest. */
export function includeOf(query: URLSearchParams): IncludeObject {
  const include = query.get('includeObject') || 'Metadata';
  if (include === 'Metadata' || include === 'None' || include === 'Object') return include;
  throw badRequest(
    `Unable to convert to Table as requested: includeObject: Invalid value: ${JSON.stringify(include)}: must be 'Metadata', 'Object', 'None', or empty`,
  );
}

/** Browsers and curl get text for people, unless they say otherwise. */
export function isForPeople(query: URLSearchParams, userAgent: string): boolean {
  const asked = query.get('pretty');
  if (asked !== null) return asked !== 'false' && asked !== '0';
  return /^(curl|Wget|Mozilla\/5\.0)/.test(userAgent);
}
