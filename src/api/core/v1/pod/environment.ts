/** Environment variables of a container, and where their values come from. */
import type { EnvFromSource, EnvVar, EnvVarSource, ObjectFieldSelector } from '#api/generated/schema.ts';
import { type FieldError, invalidValue, notSupportedValue, requiredValue } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { follows } from '#api/machinery/field-rules.ts';
import { configMapKey, dns1123Subdomain, envVarName, qualifiedName } from '#api/machinery/names.ts';

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
    const name = variable.name ? follows(here.name, variable.name, envVarName) : [requiredValue(here.name)];
    return [...name, ...(variable.valueFrom ? validateSource(variable, variable.valueFrom, here) : [])];
  });

function validateSource(variable: EnvVar, source: EnvVarSource, at: At<EnvVar>): FieldError[] {
  const given = SOURCES.filter((name) => source[name] !== undefined);
  const from = at.valueFrom;
  const errors: FieldError[] = [];
  if (source.fieldRef) errors.push(...validateFieldRef(source.fieldRef, from.fieldRef, 'env'));
  if (source.resourceFieldRef) {
    const { resource } = source.resourceFieldRef;
    if (!resource) errors.push(requiredValue(from.resourceFieldRef.resource));
    else if (!ENV_RESOURCES.includes(resource) && !/^(limits|requests)\.hugepages-/.test(resource))
      errors.push(notSupportedValue(from.resourceFieldRef.resource, resource, ENV_RESOURCES));
  }
  for (const name of ['configMapKeyRef', 'secretKeyRef'] as const) {
    const ref = source[name];
    if (!ref) continue;
    errors.push(...follows(from[name].name, ref.name ?? '', dns1123Subdomain));
    errors.push(...(ref.key ? follows(from[name].key, ref.key, configMapKey) : [requiredValue(from[name].key)]));
  }
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

/** `metadata.labels['app']` and the like name one entry of a map. */
export function validateFieldRef(
  { apiVersion, fieldPath }: ObjectFieldSelector,
  at: At<ObjectFieldSelector>,
  use: 'env' | 'volume',
): FieldError[] {
  if (!apiVersion) return [requiredValue(at.apiVersion)];
  if (!fieldPath) return [requiredValue(at.fieldPath)];
  const entry = /^(metadata\.(?:labels|annotations))\['(.*)'\]$/.exec(fieldPath);
  if (entry) {
    const key = entry[1] === 'metadata.annotations' ? (entry[2] ?? '').toLowerCase() : (entry[2] ?? '');
    return qualifiedName(key).map((text) => invalidValue(at, entry[2] ?? '', text));
  }
  const supported = use === 'env' ? ENV_FIELDS : VOLUME_FIELDS;
  return supported.includes(fieldPath) ? [] : [notSupportedValue(at.fieldPath, fieldPath, supported)];
}

export const validateEnvFrom = (sources: readonly EnvFromSource[], at: At<EnvFromSource[]>): FieldError[] =>
  sources.flatMap((source, index) => {
    const here = at[index]!;
    const { prefix, configMapRef, secretRef } = source;
    const errors = prefix ? follows(here.prefix, prefix, envVarName) : [];
    if (!configMapRef && !secretRef)
      errors.push(invalidValue(here, '', 'must specify one of: `configMapRef` or `secretRef`'));
    else if (configMapRef && secretRef) errors.push(invalidValue(here, '', MORE_THAN_ONE));
    if (configMapRef) errors.push(...follows(here.configMapRef.name, configMapRef.name ?? '', dns1123Subdomain));
    if (secretRef) errors.push(...follows(here.secretRef.name, secretRef.name ?? '', dns1123Subdomain));
    return errors;
  });
