/** In which form a client wants discovery. Source: apidiscovery.k8s.io/v2, KEP-3352; API concepts, "Discovery API". */
import { PROTOBUF_MEDIA_TYPE } from '#api/machinery/codec-protobuf.ts';
import { notAcceptable } from '#api/machinery/status.ts';
import { JSON_MEDIA_TYPE, YAML_MEDIA_TYPE } from '../request-body.ts';

export interface DiscoveryForm {
  isAggregated: boolean;
  encoding: 'json' | 'yaml' | 'protobuf';
  /** As the answer is to say. */
  mediaType: string;
}

const ENCODINGS: Readonly<Record<string, DiscoveryForm['encoding']>> = {
  [JSON_MEDIA_TYPE]: 'json',
  [YAML_MEDIA_TYPE]: 'yaml',
  [PROTOBUF_MEDIA_TYPE]: 'protobuf',
};
const AGGREGATED = 'g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
const PLAIN: DiscoveryForm = { isAggregated: false, encoding: 'json', mediaType: JSON_MEDIA_TYPE };

/**
 * The first that there is, in the client's order. `hasAggregated`: the whole of it can be had in one document here. Throws
 * NotAcceptable.
 */
export function discoveryForm(accept: string, hasAggregated: boolean): DiscoveryForm {
  if (!accept) return PLAIN;
  for (const clause of accept.split(',')) {
    const [mediaType = '', ...parameters] = clause.split(';').map((part) => part.trim());
    const isAny = mediaType === '*/*' || mediaType === 'application/*';
    const encoding = isAny ? 'json' : ENCODINGS[mediaType.toLowerCase()];
    if (!encoding) continue;
    const type = isAny ? JSON_MEDIA_TYPE : mediaType.toLowerCase();
    if (!parameters.some((parameter) => parameter.startsWith('as=')))
      return { isAggregated: false, encoding, mediaType: type };
    const isKnown = AGGREGATED.split(';').every((parameter) => parameters.includes(parameter));
    if (isKnown && hasAggregated) return { isAggregated: true, encoding, mediaType: `${type};${AGGREGATED}` };
  }
  throw notAcceptable(`only the following media types are accepted: ${Object.keys(ENCODINGS).join(', ')}`);
}
