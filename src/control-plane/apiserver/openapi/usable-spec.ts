/** OpenAPI 2 of a server that may say anything. Pure. */
import { isJsonObject, type Json } from '#api/machinery/json-value.ts';
import type { DocumentV2 } from './document-v2.ts';
import { gnosticDocument } from './gnostic.ts';
import { gnosticDocumentV3 } from './gnostic-v3.ts';
import { specUnder } from './merge-specs.ts';
import type { Spec } from './remote-specs.ts';
import { withParametersInPlace } from './shared-parameters.ts';
import { documentOfVersion2 } from './version-2-to-3.ts';

const MAX_DEPTH = 200;
const INFO = { title: '', version: '' };

/** What stands under these paths, if every document can be made of it: one bad server must not cost all others theirs. */
export function usableSpec(document: Json | undefined, prefix: string): Spec | undefined {
  if (!isWithin(document, MAX_DEPTH) || !isJsonObject(document)) return undefined;
  const { paths: given, definitions = {}, parameters = {} } = document;
  if (!isJsonObject(given) || !isJsonObject(definitions) || !isJsonObject(parameters)) return undefined;
  const paths = withParametersInPlace(given, parameters);
  if (!paths) return undefined;
  if (![...Object.values(paths), ...Object.values(definitions)].every(isJsonObject)) return undefined;
  const spec = specUnder({ paths, definitions } as unknown as Spec, (path) => path.startsWith(prefix));
  try {
    gnosticDocument({ swagger: '2.0', info: INFO, ...spec } as unknown as DocumentV2);
    gnosticDocumentV3(documentOfVersion2(spec, INFO));
    return spec;
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) return undefined; // something is not what it should be
    throw error;
  }
}

function isWithin(value: Json | undefined, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return depth > 0 && Object.values(value).every((one) => isWithin(one, depth - 1));
}
