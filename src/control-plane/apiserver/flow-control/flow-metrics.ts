/** `apiserver_flowcontrol_*`, under upstream's names. Read from plain counters when somebody asks. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { Distribution } from '#base/distribution.ts';
import { DistributionHistogram } from '../metrics/distribution-histogram.ts';
import type { FlowControl } from './flow-control.ts';
import type { FlowStatistics } from './flow-statistics.ts';
import type { PriorityLevel } from './priority-level.ts';

const PREFIX = 'apiserver_flowcontrol_';
const FLOW = ['priority_level', 'flow_schema'];

type Labels = Record<string, string>;
type Sample = [labels: Labels, value: number];

export function registerFlowMetrics(registry: Registry, flowControl: FlowControl): void {
  const registers = [registry];
  const flows = () => [...flowControl.statistics];
  const labelsOf = ({ level, schema }: FlowStatistics): Labels => ({ priority_level: level, flow_schema: schema });

  const gauge = (name: string, help: string, labelNames: readonly string[], samples: () => Sample[]) =>
    new Gauge({
      name: PREFIX + name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        for (const [labels, value] of samples()) this.set(labels, value);
      },
    });
  const counter = (name: string, help: string, labelNames: readonly string[], samples: () => Sample[]) =>
    new Counter({
      name: PREFIX + name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        for (const [labels, value] of samples()) this.inc(labels, value);
      },
    });
  const perFlow = (read: (flow: FlowStatistics) => number) => () =>
    flows().map((flow): Sample => [labelsOf(flow), read(flow)]);
  const perLevel = (read: (level: PriorityLevel) => number) => () =>
    flowControl.levels.map((level): Sample => [{ priority_level: level.name }, read(level)]);
  const histogram = (name: string, help: string, samples: () => [Labels, Distribution][]) =>
    registry.registerMetric(new DistributionHistogram({ name: PREFIX + name, help }, samples));

  counter('rejected_requests_total', 'Requests that were turned away.', [...FLOW, 'reason'], () =>
    flows().flatMap((flow) =>
      [...flow.rejected].map(([reason, count]): Sample => [{ ...labelsOf(flow), reason }, count]),
    ),
  );
  counter(
    'dispatched_requests_total',
    'Requests that were carried out.',
    FLOW,
    perFlow((flow) => flow.dispatched),
  );
  counter(
    'request_dispatch_no_accommodation_total',
    'How often the next request needed more seats than were free.',
    FLOW,
    perFlow((flow) => flow.noAccommodation),
  );
  gauge(
    'current_inqueue_requests',
    'Requests that wait.',
    FLOW,
    perFlow((flow) => flow.waiting),
  );
  gauge(
    'current_inqueue_seats',
    'Seats that waiting requests want.',
    FLOW,
    perFlow((flow) => flow.waitingSeats),
  );
  gauge(
    'current_executing_requests',
    'Requests that are carried out.',
    FLOW,
    perFlow((flow) => flow.executing),
  );
  gauge(
    'current_executing_seats',
    'Seats that are taken.',
    FLOW,
    perFlow((flow) => flow.executingSeats),
  );

  const LEVEL = ['priority_level'];
  gauge(
    'nominal_limit_seats',
    'Seats by configuration.',
    LEVEL,
    perLevel(({ limits }) => limits.nominal),
  );
  gauge(
    'lower_limit_seats',
    'Seats that are never lent.',
    LEVEL,
    perLevel(({ limits }) => limits.lower),
  );
  gauge(
    'upper_limit_seats',
    'Seats with all that may be borrowed.',
    LEVEL,
    perLevel(({ limits }) => limits.upper),
  );
  gauge(
    'current_limit_seats',
    'Seats at this time.',
    LEVEL,
    perLevel(({ current }) => current),
  );
  gauge(
    'target_seats',
    'What borrowing aims at.',
    LEVEL,
    perLevel(({ target }) => target),
  );
  const demand = (read: keyof PriorityLevel['queues']['demand']['statistics']) =>
    perLevel(({ queues }) => queues.demand.statistics[read]);
  gauge('demand_seats_high_watermark', 'Most seats wanted in the last period.', LEVEL, demand('highWatermark'));
  gauge('demand_seats_average', 'Seats wanted on average in the last period.', LEVEL, demand('average'));
  gauge('demand_seats_stdev', 'Deviation of the seats wanted in the last period.', LEVEL, demand('deviation'));
  gauge('demand_seats_smoothed', 'Smoothed demand of seats.', LEVEL, demand('smoothed'));
  gauge(
    'current_r',
    'Virtual time, in seat seconds.',
    LEVEL,
    perLevel(({ queues }) => queues.virtualNow / 1000),
  );
  gauge('seat_fair_frac', 'Fraction of its target that a level gets whom no bound touches.', [], () => [
    [{}, flowControl.fairFraction],
  ]);

  histogram('request_wait_duration_seconds', 'How long requests waited in a queue.', () =>
    flows().flatMap((flow): [Labels, Distribution][] => [
      [{ ...labelsOf(flow), execute: 'true' }, flow.waited],
      [{ ...labelsOf(flow), execute: 'false' }, flow.waitedInVain],
    ]),
  );
  const ofFlows = (read: (flow: FlowStatistics) => Distribution) => () =>
    flows().map((flow): [Labels, Distribution] => [labelsOf(flow), read(flow)]);
  histogram(
    'request_execution_seconds',
    'How long requests took.',
    ofFlows((flow) => flow.executed),
  );
  histogram(
    'request_queue_length_after_enqueue',
    'Queues as requests found them.',
    ofFlows((flow) => flow.queueLengths),
  );
  histogram(
    'work_estimated_seats',
    'Seats that requests were taken to need.',
    ofFlows((flow) => flow.estimatedSeats),
  );
  histogram(
    'watch_count_samples',
    'Watches of what a write changes.',
    ofFlows((flow) => flow.watchCounts),
  );
}
