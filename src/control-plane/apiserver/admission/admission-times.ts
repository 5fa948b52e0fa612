/**
 * How long admission and each of its plugins took: `apiserver_admission_{step,controller}_admission_duration_seconds`. Who
 * is concerned by a request holds its series, so that a request only adds to numbers. Source: upstream's admission/metrics.
 */
import type { Registry } from 'prom-client';
import { Distribution } from '#base/distribution.ts';
import { DistributionHistogram } from '../metrics/distribution-histogram.ts';
import type { AdmissionVerb } from './define-admission.ts';

const BOUNDS = [0.005, 0.025, 0.1, 0.5, 1, 2.5];

export type AdmissionType = 'admit' | 'validate';

export interface TimesOf {
  passed: Distribution;
  rejected: Distribution;
}

const OPERATIONS = { create: 'CREATE', update: 'UPDATE', delete: 'DELETE', connect: 'CONNECT' } as const;

type Labels = Record<string, string>;

export class AdmissionTimes {
  readonly #steps = new Map<string, TimesOf & { labels: Labels }>();
  readonly #plugins = new Map<string, TimesOf & { labels: Labels }>();

  step(type: AdmissionType, verb: AdmissionVerb): TimesOf {
    return madeIn(this.#steps, { type, operation: OPERATIONS[verb] });
  }

  plugin(name: string, type: AdmissionType, verb: AdmissionVerb): TimesOf {
    return madeIn(this.#plugins, { name, type, operation: OPERATIONS[verb] });
  }

  registerMetrics(registry: Registry): void {
    const register = (name: string, help: string, series: ReadonlyMap<string, TimesOf & { labels: Labels }>) =>
      registry.registerMetric(
        new DistributionHistogram({ name: `apiserver_admission_${name}_admission_duration_seconds`, help }, () =>
          [...series.values()].flatMap(({ labels, passed, rejected }): [Labels, Distribution][] => [
            [{ ...labels, rejected: 'false' }, passed],
            [{ ...labels, rejected: 'true' }, rejected],
          ]),
        ),
      );
    register('step', 'How long all plugins took together.', this.#steps);
    register('controller', 'How long each plugin took.', this.#plugins);
  }
}

function madeIn(series: Map<string, TimesOf & { labels: Labels }>, labels: Labels): TimesOf {
  const id = Object.values(labels).join('/');
  const times = series.get(id) ?? { labels, passed: new Distribution(BOUNDS), rejected: new Distribution(BOUNDS) };
  series.set(id, times);
  return times;
}
