/** Where a Service leads that a webhook names: straight to a ready pod. Texts as upstream's util/proxy, ResolveEndpoint. */
import { Service } from '#api/core/v1/service.ts';
import { StatusError } from '#api/machinery/status.ts';
import type { ServiceEndpoint } from '../admission/define-admission.ts';
import type { VerbServices } from './behaviour.ts';
import { refuseOwnAddress } from './proxy-target.ts';
import { endpointOf } from './service-proxy.ts';

export async function resolveService(
  { namespace, name, port }: Parameters<ServiceEndpoint>[0],
  services: Pick<VerbServices, 'stored' | 'caches' | 'random'>,
): ReturnType<ServiceEndpoint> {
  const quoted = JSON.stringify(name);
  const service = await services.stored.get(Service, { namespace, name });
  if (!service) return { problem: `service ${quoted} not found` };
  if (service.spec.type === 'ExternalName') return { problem: 'unsupported service type "ExternalName"' };
  if (!service.spec.ports?.some((one) => one.port === port))
    return { problem: `no service port ${port} found for service ${quoted}` };
  const endpoint = await endpointOf(service, String(port), services);
  if (!endpoint) return { problem: `no endpoints available for service ${quoted}` };
  try {
    refuseOwnAddress(endpoint.host);
  } catch (error) {
    if (error instanceof StatusError) return { problem: error.message };
    throw error;
  }
  return endpoint;
}
