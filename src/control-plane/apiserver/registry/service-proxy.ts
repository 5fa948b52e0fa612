/** `services/NAME/proxy/…` leads to one of the Service's ready pods, found through its EndpointSlices. */

import { Service } from '#api/core/v1/service.ts';
import { EndpointSlice, SERVICE_NAME } from '#api/discovery/v1/endpoint-slice.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { notFound, serviceUnavailable } from '#api/machinery/status.ts';
import { wholeBelow } from '#base/random.ts';
import { admissionRequest, type Reply, type ResourceCall } from '../resource-call.ts';
import type { VerbServices } from './behaviour.ts';
import { proxied } from './pod-connect.ts';
import { proxyTarget, refuseOwnAddress } from './proxy-target.ts';

export async function proxyService(call: ResourceCall, services: VerbServices): Promise<Reply> {
  const { info } = call;
  const { scheme, id, port } = proxyTarget(info.name);
  const options = { kind: 'ServiceProxyOptions', apiVersion: 'v1', metadata: {} } as unknown as KubeObject;
  const request = admissionRequest(call, { verb: 'connect', object: options, dryRun: false });
  await services.admission.mutate(request);
  await services.admission.validate(request);
  const service = await services.stored.get(Service, { namespace: info.namespace, name: id });
  if (!service) throw notFound(Service, id);
  const endpoint = await endpointOf(service, port, services);
  if (!endpoint) throw serviceUnavailable(`no endpoints available for service ${JSON.stringify(info.name)}`);
  refuseOwnAddress(endpoint.host);
  return { code: 200, forward: proxied(call, { ...endpoint, scheme }) };
}

/** A ready address and the port behind the Service's `port` (a number, a name, or '' for its only one). */
export async function endpointOf(
  service: Service,
  port: string,
  services: Pick<VerbServices, 'caches' | 'random'>,
): Promise<{ host: string; port: number } | undefined> {
  const ports = service.spec.ports ?? [];
  const wanted = port ? ports.find((one) => one.name === port || String(one.port) === port) : ports[0];
  const portName = wanted ? (wanted.name ?? '') : port;
  const { namespace = '', name } = service.metadata;
  const { items } = await services.caches.of(EndpointSlice).list({ freshness: 'any', namespace });
  const found: { host: string; port: number }[] = [];
  for (const item of items) {
    const slice = item.object() as unknown as EndpointSlice;
    if (slice.metadata.labels?.[SERVICE_NAME] !== name) continue;
    const target = slice.ports?.find((one) => (one.name ?? '') === portName)?.port;
    if (!target) continue;
    for (const { addresses, conditions } of slice.endpoints ?? []) {
      if (conditions?.ready !== false && addresses[0]) found.push({ host: addresses[0], port: target });
    }
  }
  return found[wholeBelow(services.random, found.length)];
}
