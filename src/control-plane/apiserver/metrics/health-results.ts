/** How checks of `/healthz`, `/livez` and `/readyz` went: `/metrics/slis`. Source: component-base, metrics/prometheus/slis; KEP-3466. */
import { Counter, Gauge, Registry } from 'prom-client';

export class HealthResults {
  readonly registry = new Registry();
  readonly #last = new Gauge({
    name: 'kubernetes_healthcheck',
    help: 'How a check of health went when it was last made.',
    labelNames: ['name', 'type'],
    registers: [this.registry],
  });
  readonly #all = new Counter({
    name: 'kubernetes_healthchecks_total',
    help: 'How checks of health went.',
    labelNames: ['name', 'type', 'status'],
    registers: [this.registry],
  });

  constructor(startedAt: number) {
    const help = 'Start time of the process since unix epoch in seconds.';
    new Gauge({ name: 'process_start_time_seconds', help, registers: [this.registry] }).set(startedAt / 1000);
  }

  /** `type`: the endpoint. */
  observe(name: string, type: string, isWell: boolean): void {
    this.#last.set({ name, type }, isWell ? 1 : 0);
    this.#all.inc({ name, type, status: isWell ? 'success' : 'error' });
  }
}
