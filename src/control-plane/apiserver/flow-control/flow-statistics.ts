/** What is counted for each pair of priority level and FlowSchema: plain numbers, read when somebody asks for metrics. */
import { Distribution } from '#base/distribution.ts';

/** Seconds. Source: upstream, requestDurationSecondsBuckets. */
export const DURATION_BUCKETS = [0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30];
export const QUEUE_LENGTH_BUCKETS = [0, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 20_000];
export const SEAT_BUCKETS = [1, 2, 4, 8, 16, 32, 64, 100];
export const WATCH_COUNT_BUCKETS = [0, 1, 10, 100, 1000, 10_000];

export type RejectionReason = 'concurrency-limit' | 'queue-full' | 'time-out' | 'cancelled';

export class FlowStatistics {
  readonly level: string;
  readonly schema: string;
  dispatched = 0;
  readonly rejected = new Map<RejectionReason, number>();
  executing = 0;
  executingSeats = 0;
  waiting = 0;
  waitingSeats = 0;
  noAccommodation = 0;
  readonly waited = new Distribution(DURATION_BUCKETS);
  readonly waitedInVain = new Distribution(DURATION_BUCKETS);
  readonly executed = new Distribution(DURATION_BUCKETS);
  readonly queueLengths = new Distribution(QUEUE_LENGTH_BUCKETS);
  readonly estimatedSeats = new Distribution(SEAT_BUCKETS);
  readonly watchCounts = new Distribution(WATCH_COUNT_BUCKETS);

  constructor(level: string, schema: string) {
    this.level = level;
    this.schema = schema;
  }

  reject(reason: RejectionReason): void {
    this.rejected.set(reason, (this.rejected.get(reason) ?? 0) + 1);
  }
}
