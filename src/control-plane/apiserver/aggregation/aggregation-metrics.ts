/** What `/metrics` says of APIServices, under upstream's names. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { APIService } from '#api/apiregistration/v1/api-service.ts';
import type { ApiServiceLosses } from './api-service-losses.ts';

export interface AggregationFacts {
  apiServices(): readonly APIService[];
  readonly losses: ApiServiceLosses;
}

export function registerAggregationMetrics(registry: Registry, facts: AggregationFacts): void {
  new Gauge({
    name: 'aggregator_unavailable_apiservice',
    help: 'APIServices whose group and version cannot be had.',
    labelNames: ['name'],
    registers: [registry],
    collect() {
      this.reset();
      for (const apiService of facts.apiServices())
        this.set({ name: apiService.metadata.name }, isAvailable(apiService) ? 0 : 1);
    },
  });
  new Counter({
    name: 'aggregator_unavailable_apiservice_total',
    help: 'How often the group and version of an APIService could no longer be had.',
    labelNames: ['name', 'reason'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { count, ...labels } of facts.losses.samples()) this.inc(labels, count);
    },
  });
}

const isAvailable = ({ status }: APIService): boolean =>
  status?.conditions?.some(({ type, status: is }) => type === 'Available' && is === 'True') ?? false;
