/** Where a published Service leads at the moment: to its pods in turn, which this machine reaches directly. */
import { Service } from '#api/core/v1/service.ts';
import { EndpointSlice, SERVICE_NAME } from '#api/discovery/v1/endpoint-slice.ts';
import type { Informers } from '#client/informer.ts';
import { endpointsOf } from '#network/ingress/backends.ts';
import type { PublishedServicePort } from '#node/machine/cluster-dir.ts';
import type { Destination } from './loopback-listener.ts';

export class PublishedService {
  readonly #services;
  readonly #slices;
  readonly #wish: PublishedServicePort;
  #turn = 0;

  constructor(wish: PublishedServicePort, informers: Informers) {
    const { namespace, service } = wish;
    this.#wish = wish;
    this.#services = informers.for(Service, { namespace, fieldSelector: `metadata.name=${service}` });
    this.#slices = informers.for(EndpointSlice, { namespace, labelSelector: `${SERVICE_NAME}=${service}` });
  }

  /** undefined: there is no such Service or port, or nobody behind it. */
  destination(): Destination | undefined {
    const { namespace, service, to } = this.#wish;
    const found = endpointsOf(this.#services.get(`${namespace}/${service}`), to, this.#slices.list());
    const endpoint = found[this.#turn++ % Math.max(1, found.length)];
    return endpoint && { host: endpoint.address, port: endpoint.port };
  }
}
