/** What `/metrics` says of APIServices, under upstream's name. */
import { Gauge, type Registry } from 'prom-client';
import type { APIService } from '#api/apiregistration/v1/api-service.ts';

export function registerAggregationMetrics(registry: Registry, apiServices: () => readonly APIService[]): void {
  new Gauge({
    name: 'aggregator_unavailable_apiservice',
    help: 'APIServices whose group and version cannot be had.',
    labelNames: ['name'],
    registers: [registry],
    collect() {
      this.reset();
      for (const apiService of apiServices())
        this.set({ name: apiService.metadata.name }, isAvailable(apiService) ? 0 : 1);
    },
  });
}

const isAvailable = ({ status }: APIService): boolean =>
  status?.conditions?.some(({ type, status: is }) => type === 'Available' && is === 'True') ?? false;
