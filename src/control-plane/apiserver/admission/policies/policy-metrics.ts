/** What `/metrics` says of admission policies, under upstream's names. Read from plain counters when somebody asks. */
import { Counter, type Registry } from 'prom-client';
import { DistributionHistogram } from '../../metrics/distribution-histogram.ts';
import type { CheckSeries, PolicyChecks } from './policy-checks.ts';

const LABELS = ['policy', 'policy_binding', 'error_type'] as const;

export function registerPolicyMetrics(
  registry: Registry,
  { validating, mutating }: { validating: PolicyChecks; mutating: PolicyChecks },
): void {
  register(registry, validating, {
    prefix: 'apiserver_validating_admission_policy',
    labelNames: [...LABELS, 'enforcement_action'],
  });
  register(registry, mutating, { prefix: 'apiserver_mutating_admission_policy', labelNames: [...LABELS] });
}

function register(
  registry: Registry,
  checks: PolicyChecks,
  { prefix, labelNames }: { prefix: string; labelNames: string[] },
): void {
  new Counter({
    name: `${prefix}_check_total`,
    help: 'Evaluations of policies by what came of them.',
    labelNames,
    registers: [registry],
    collect() {
      this.reset();
      for (const series of checks) this.inc(labelsOf(series), series.seconds.count);
    },
  });
  const seconds = { name: `${prefix}_check_duration_seconds`, help: 'How long evaluations of policies took.' };
  registry.registerMetric(
    new DistributionHistogram(seconds, () => [...checks].map((series) => [labelsOf(series), series.seconds])),
  );
}

const labelsOf = ({ policy, binding, errorType, action }: CheckSeries): Record<string, string> => ({
  policy,
  policy_binding: binding,
  error_type: errorType,
  ...(action && { enforcement_action: action }),
});
