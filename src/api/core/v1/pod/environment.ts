/** Environment variables of a container, and where their values come from. */
import type {
  EnvFromSource,
  EnvVar,
  EnvVarSource,
  FileKeySelector,
  ObjectFieldSelector,
  ResourceFieldSelector,
} from '#api/generated/schema.ts';
import { type FieldError, invalidValue, notSupportedValue, requiredValue } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { follows } from '#api/machinery/field-rules.ts';
import {
  configMapKey,
  dns1123Label,
  dns1123Subdomain,
  qualifiedName,
  relaxedEnvVarName,
} from '#api/machinery/names.ts';
import { canonicalQuantity } from '#api/machinery/quantity.ts';
import { hasNoBackstep } from './volume-sources.ts';

/** Fields of the pod that a variable may show; those of a volume are others. */
const ENV_FIELDS = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
];
const VOLUME_FIELDS = [
  'metadata.annotations',
  'metadata.labels',
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
];
const ENV_RESOURCES = [
  'limits.cpu',
  'limits.ephemeral-storage',
  'limits.memory',
  'requests.cpu',
  'requests.ephemeral-storage',
  'requests.memory',
];
const SOURCES = ['fieldRef', 'resourceFieldRef', 'configMapKeyRef', 'secretKeyRef', 'fileKeyRef'] as const;
const MORE_THAN_ONE = 'may not have more than one field specified at a time';

export const validateEnv = (variables: readonly EnvVar[], at: At<EnvVar[]>): FieldError[] =>
  variables.flatMap((variable, index) => {
    const here = at[index]!;
    const name = variable.name ? follows(here.name, variable.name, relaxedEnvVarName) : [requiredValue(here.name)];
    return [...name, ...(variable.valueFrom ? validateSource(variable, variable.valueFrom, here) : [])];
  });

function validateSource(variable: EnvVar, source: EnvVarSource, at: At<EnvVar>): FieldError[] {
  const given = SOURCES.filter((name) => source[name] !== undefined);
  const from = at.valueFrom;
  const errors: FieldError[] = [];
  if (source.fieldRef) errors.push(...validateFieldRef(source.fieldRef, from.fieldRef, 'env'));
  if (source.resourceFieldRef)
    errors.push(...validateResourceRef(source.resourceFieldRef, from.resourceFieldRef, 'env'));
  for (const name of ['configMapKeyRef', 'secretKeyRef'] as const) {
    const ref = source[name];
    if (!ref) continue;
    errors.push(...follows(from[name].name, ref.name ?? '', dns1123Subdomain));
    errors.push(...(ref.key ? follows(from[name].key, ref.key, configMapKey) : [requiredValue(from[name].key)]));
  }
  if (source.fileKeyRef) errors.push(...validateFileRef(source.fileKeyRef, from.fileKeyRef));
  if (given.length === 0)
    return [
      invalidValue(
        from,
        '',
        'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`',
      ),
    ];
  if (variable.value) errors.push(invalidValue(from, '', 'may not be specified when `value` is not empty'));
  else if (given.length > 1) errors.push(invalidValue(from, '', MORE_THAN_ONE));
  return errors;
}

function validateFileRef({ key, volumeName, path }: FileKeySelector, at: At<FileKeySelector>): FieldError[] {
  return [
    ...(key ? follows(at.key, key, relaxedEnvVarName) : [requiredValue(at.key)]),
    ...(volumeName ? follows(at.volumeName, volumeName, dns1123Label) : [requiredValue(at.volumeName)]),
    ...(path ? hasNoBackstep(path, at.path) : [requiredValue(at.path)]),
  ];
}

const BYTES = ['1', '1k', '1M', '1G', '1T', '1P', '1E', '1Ki', '1Mi', '1Gi', '1Ti', '1Pi', '1Ei'];
const DIVISORS: readonly [pattern: RegExp, allowed: readonly string[], text: string][] = [
  [/^(limits|requests)\.cpu$/, ['1m', '1'], '1m and 1 are supported with the cpu resource'],
  [/^(limits|requests)\.memory$/, BYTES, `${BYTES.join(', ')} are supported with the memory resource`],
  [
    /^(limits|requests)\.ephemeral-storage$/,
    BYTES,
    `${BYTES.join(', ')} are supported with the local ephemeral storage resource`,
  ],
  [/^(limits|requests)\.hugepages-/, BYTES, `${BYTES.join(', ')} are supported with the hugepages resource`],
];

/** How much of a resource a container has: of the container itself, or, in a volume, of the one that is named. */
export function validateResourceRef(
  { containerName, resource = '', divisor = '0' }: ResourceFieldSelector,
  at: At<ResourceFieldSelector>,
  use: 'env' | 'volume',
): FieldError[] {
  const errors: FieldError[] = [];
  if (use === 'volume' && !containerName) errors.push(requiredValue(at.containerName));
  else if (!resource) errors.push(requiredValue(at.resource));
  else if (!ENV_RESOURCES.includes(resource) && !/^(limits|requests)\.hugepages-/.test(resource))
    errors.push(notSupportedValue(at.resource, resource, ENV_RESOURCES));
  const amount = canonicalQuantity(divisor) ?? divisor;
  const rule = DIVISORS.find(([pattern]) => pattern.test(resource));
  if (rule && amount !== '0' && !rule[1].includes(amount))
    errors.push(invalidValue(at.divisor, resource, `only divisor's values ${rule[2]}`));
  return errors;
}

/** Beside those that can be shown, what a pod could be selected by. */
const KNOWN_FIELDS = ['spec.restartPolicy', 'spec.schedulerName', 'status.phase', 'spec.host'];

/** `metadata.labels['app']` and the like name one entry of a map. */
export function validateFieldRef(
  { apiVersion, fieldPath }: ObjectFieldSelector,
  at: At<ObjectFieldSelector>,
  use: 'env' | 'volume',
): FieldError[] {
  if (!apiVersion) return [requiredValue(at.apiVersion)];
  if (!fieldPath) return [requiredValue(at.fieldPath)];
  const refuse = (why: string) => [invalidValue(at.fieldPath, fieldPath, `error converting fieldPath: ${why}`)];
  if (apiVersion !== 'v1') return refuse(`unsupported pod version: ${apiVersion}`);
  const entry = /^(.*)\['(.*)'\]$/s.exec(fieldPath);
  if (entry) {
    const [, map, name = ''] = entry;
    if (map !== 'metadata.labels' && map !== 'metadata.annotations')
      return refuse(`field label does not support subscript: ${fieldPath}`);
    const key = map === 'metadata.annotations' ? name.toLowerCase() : name;
    return qualifiedName(key).map((text) => invalidValue(at, key, text));
  }
  if (![...ENV_FIELDS, ...VOLUME_FIELDS, ...KNOWN_FIELDS].includes(fieldPath))
    return refuse(`field label not supported: ${fieldPath}`);
  const supported = use === 'env' ? ENV_FIELDS : VOLUME_FIELDS;
  const meant = fieldPath === 'spec.host' ? 'spec.nodeName' : fieldPath;
  return supported.includes(meant) ? [] : [notSupportedValue(at.fieldPath, meant, supported)];
}

export const validateEnvFrom = (sources: readonly EnvFromSource[], at: At<EnvFromSource[]>): FieldError[] =>
  sources.flatMap((source, index) => {
    const here = at[index]!;
    const { prefix, configMapRef, secretRef } = source;
    const errors = prefix ? follows(here.prefix, prefix, relaxedEnvVarName) : [];
    for (const [name, ref] of Object.entries({ configMapRef, secretRef })) {
      if (!ref) continue;
      const where = here[name as 'configMapRef' | 'secretRef'].name;
      errors.push(...(ref.name ? follows(where, ref.name, dns1123Subdomain) : [requiredValue(where)]));
    }
    if (!configMapRef && !secretRef)
      errors.push(invalidValue(at, '', 'must specify one of: `configMapRef` or `secretRef`'));
    else if (configMapRef && secretRef) errors.push(invalidValue(at, '', MORE_THAN_ONE));
    return errors;
  });
