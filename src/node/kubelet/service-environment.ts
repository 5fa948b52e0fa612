/** Variables that tell a container of services, as Docker links once did. Source: "Service", discovering by environment. */
import type { Service } from '#api/generated/schema.ts';

/** @param withAll false: only `kubernetes`, the API server's */
export function serviceEnvironment(
  services: readonly Service[],
  { namespace, withAll }: { namespace: string; withAll: boolean },
): Map<string, string> {
  const variables = new Map<string, string>();
  for (const service of services) {
    const { name } = service.metadata;
    const isMaster = service.metadata.namespace === 'default' && name === 'kubernetes';
    const isNear = service.metadata.namespace === namespace;
    const ip = service.spec.clusterIP;
    if (!ip || ip === 'None' || !(isMaster || (withAll && isNear))) continue;
    // A service of the same name in the pod's own namespace hides the cluster's.
    if (isMaster && !isNear && withAll && services.some((other) => hides(other, namespace))) continue;
    addVariables(variables, service, ip);
  }
  return variables;
}

const hides = (service: Service, namespace: string): boolean =>
  service.metadata.namespace === namespace && service.metadata.name === 'kubernetes';

function addVariables(variables: Map<string, string>, { metadata, spec }: Service, ip: string): void {
  const prefix = asVariable(metadata.name);
  const [first] = spec.ports ?? [];
  if (!first) return;
  variables.set(`${prefix}_SERVICE_HOST`, ip);
  variables.set(`${prefix}_SERVICE_PORT`, String(first.port));
  for (const { name, port } of spec.ports ?? [])
    if (name) variables.set(`${prefix}_SERVICE_PORT_${asVariable(name)}`, String(port));
  const host = ip.includes(':') ? `[${ip}]` : ip;
  variables.set(`${prefix}_PORT`, `${first.protocol.toLowerCase()}://${host}:${first.port}`);
  for (const { port, protocol } of spec.ports ?? []) {
    const portPrefix = `${prefix}_PORT_${port}_${protocol}`;
    variables.set(portPrefix, `${protocol.toLowerCase()}://${host}:${port}`);
    variables.set(`${portPrefix}_PROTO`, protocol.toLowerCase());
    variables.set(`${portPrefix}_PORT`, String(port));
    variables.set(`${portPrefix}_ADDR`, ip);
  }
}

const asVariable = (name: string): string => name.toUpperCase().replaceAll('-', '_');
