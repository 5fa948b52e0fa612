/** The configuration of an apply as it was sent. Source: upstream's handlers/patch.go, applyPatcher. */
import { parseYaml } from '#api/machinery/codec-yaml.ts';
import { requiredValue } from '#api/machinery/field-error.ts';
import { fieldOf, isJsonObject, type JsonObject } from '#api/machinery/json-value.ts';
import { apiVersionOf, type Kind } from '#api/machinery/kind.ts';
import { strictWarnings } from '#api/machinery/normalise.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { badRequest, invalid } from '#api/machinery/status.ts';
import type { DecodeOptions } from '../decode-object.ts';
import type { RequestBody } from '../request-body.ts';
import type { ResourceCall } from '../resource-call.ts';
import { refuseOtherName } from './object-identity.ts';

/** Throws Invalid where a fieldManager is missing. */
export function isForced(query: URLSearchParams): boolean {
  if (!query.get('fieldManager'))
    throw invalid({ group: 'meta.k8s.io', kind: 'PatchOptions' }, '', [
      requiredValue('fieldManager', 'is required for apply patch'),
    ]);
  const force = query.get('force');
  return force !== null && force !== 'false' && force !== '0';
}

export interface Configuration {
  configuration: JsonObject;
  duplicates: readonly string[];
}

/** Throws BadRequest when it is not about the object of the URL. */
export function readConfiguration(
  type: Pick<Kind, 'group' | 'version' | 'kind'>,
  { info, body }: Pick<ResourceCall, 'info' | 'body'>,
): Configuration {
  const { value, duplicates } = readYaml(body!);
  if (!isJsonObject(value)) throw badRequest('error decoding YAML: the configuration is not an object');
  if (!fieldOf(value, 'kind')) throw badRequest(`Object 'Kind' is missing in '${JSON.stringify(value)}'`);
  const version = fieldOf(value, 'apiVersion');
  if (version !== apiVersionOf(type))
    throw badRequest(
      `Incorrect version specified in apply patch. Specified patch version: ${version ?? ''}, expected: ${apiVersionOf(type)}`,
    );
  if (value.kind !== type.kind)
    throw badRequest(
      `Incorrect kind specified in apply patch. Specified patch kind: ${value.kind}, expected: ${type.kind}`,
    );
  const metadata = fieldOf(value, 'metadata');
  if (isJsonObject(metadata) && fieldOf(metadata, 'managedFields'))
    throw badRequest('metadata.managedFields must be nil');
  const named = {
    ...(isJsonObject(metadata) ? metadata : {}),
    name: (isJsonObject(metadata) && fieldOf(metadata, 'name')) || info.name,
  };
  const configuration = { ...value, metadata: named };
  refuseOtherName(configuration as unknown as KubeObject, info.name);
  return { configuration, duplicates };
}

function readYaml(body: RequestBody): { value: unknown; duplicates: readonly string[] } {
  if ('object' in body) return { value: body.object, duplicates: [] };
  const parsed = parseYaml(new TextDecoder().decode(body.bytes), { findDuplicates: true });
  if ('problem' in parsed) throw badRequest(`error decoding YAML: ${parsed.problem}`);
  return parsed;
}

/** Keys that stand twice in it. Throws BadRequest. */
export function judgeDuplicates(duplicates: readonly string[], { fieldValidation, warn }: DecodeOptions): void {
  if (fieldValidation === 'Strict' && duplicates.length > 0)
    throw badRequest(`error strict decoding YAML: error converting YAML to JSON: ${duplicates.join(', ')}`);
  if (fieldValidation === 'Warn') for (const text of strictWarnings(duplicates)) warn(text);
}
