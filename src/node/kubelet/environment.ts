/** A container's environment, in the order of its declaration; later names win. Source: API reference, EnvVar. */
import type { ConfigMap, Container, EnvVar, Pod, Secret, Service } from '#api/generated/schema.ts';
import { expand } from './expansion.ts';
import { fieldValue, type NodeFacts, resourceFieldValue, UnresolvedField } from './field-values.ts';
import { serviceEnvironment } from './service-environment.ts';

export interface EnvironmentSources {
  node: NodeFacts;
  podIPs: readonly string[];
  configMap(namespace: string, name: string): Promise<ConfigMap | undefined>;
  secret(namespace: string, name: string): Promise<Secret | undefined>;
  /** All services that a container of this namespace may be told of. */
  services(namespace: string): Service[];
}

export type Environment = { key: string; value: string }[];

export async function environmentOf(pod: Pod, container: Container, sources: EnvironmentSources): Promise<Environment> {
  const own = new Map<string, string>();
  for (const source of container.envFrom ?? []) await addAll(own, source, { pod, sources });

  const namespace = pod.metadata.namespace ?? '';
  const services = serviceEnvironment(sources.services(namespace), {
    namespace,
    withAll: pod.spec.enableServiceLinks !== false,
  });
  const values = new Map(own);
  const lookup = (name: string) => values.get(name) ?? services.get(name);
  for (const variable of container.env ?? []) {
    const value = await variableValue(variable, { pod, container, sources, lookup });
    if (value === undefined) continue;
    values.set(variable.name, value);
    own.set(variable.name, value);
  }
  for (const [key, value] of services) if (!own.has(key)) own.set(key, value);
  return [...own].map(([key, value]) => ({ key, value }));
}

type EnvFrom = NonNullable<Container['envFrom']>[number];

async function addAll(
  into: Map<string, string>,
  { prefix = '', configMapRef, secretRef }: EnvFrom,
  { pod, sources }: { pod: Pod; sources: EnvironmentSources },
): Promise<void> {
  const namespace = pod.metadata.namespace ?? '';
  if (configMapRef) {
    const name = configMapRef.name ?? '';
    const map = await sources.configMap(namespace, name);
    if (!map && !configMapRef.optional) throw new UnresolvedField(`configmap "${name}" not found`);
    for (const [key, value] of Object.entries(map?.data ?? {})) into.set(prefix + key, value);
  }
  if (secretRef) {
    const name = secretRef.name ?? '';
    const secret = await sources.secret(namespace, name);
    if (!secret && !secretRef.optional) throw new UnresolvedField(`secret "${name}" not found`);
    for (const [key, value] of Object.entries(secret?.data ?? {})) into.set(prefix + key, decoded(value));
  }
}

const decoded = (base64: string): string => Buffer.from(base64, 'base64').toString('utf8');

interface Context {
  pod: Pod;
  container: Container;
  sources: EnvironmentSources;
  lookup(name: string): string | undefined;
}

/** undefined: an optional source that is not there. */
async function variableValue(
  variable: EnvVar,
  { pod, container, sources, lookup }: Context,
): Promise<string | undefined> {
  const from = variable.valueFrom;
  if (!from) return expand(variable.value ?? '', lookup);
  const { node, podIPs } = sources;
  if (from.fieldRef) return fieldValue(from.fieldRef.fieldPath, pod, { node, podIPs });
  if (from.resourceFieldRef) return resourceFieldValue(from.resourceFieldRef, pod, { own: container, node });
  const namespace = pod.metadata.namespace ?? '';
  if (from.configMapKeyRef) {
    const { name = '', key, optional } = from.configMapKeyRef;
    const map = await sources.configMap(namespace, name);
    return needed(
      { value: map?.data?.[key], isThere: map !== undefined, optional },
      'configmap',
      `ConfigMap ${namespace}/${name}`,
      {
        name,
        key,
      },
    );
  }
  if (from.secretKeyRef) {
    const { name = '', key, optional } = from.secretKeyRef;
    const secret = await sources.secret(namespace, name);
    const data = secret?.data?.[key];
    const value = data === undefined ? undefined : decoded(data);
    return needed({ value, isThere: secret !== undefined, optional }, 'secret', `Secret ${namespace}/${name}`, {
      name,
      key,
    });
  }
  throw new UnresolvedField(`environment variable ${variable.name} has no source that is supported`);
}

function needed(
  { value, isThere, optional }: { value: string | undefined; isThere: boolean; optional: boolean | undefined },
  kind: string,
  where: string,
  { name, key }: { name: string; key: string },
): string | undefined {
  if (value !== undefined || optional) return value;
  throw new UnresolvedField(isThere ? `couldn't find key ${key} in ${where}` : `${kind} "${name}" not found`);
}
