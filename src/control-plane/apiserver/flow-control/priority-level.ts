/** A priority level at work: its configuration, how many seats it has, its queues. Source: KEP-1040. */
import type { PriorityLevelConfiguration } from '#api/generated/schema.ts';
import type { Clock } from '#base/clock.ts';
import { DroppedRequests } from './dropped-requests.ts';
import { QueueSet, type QueuingMode } from './queue-set.ts';
import { problemOfDeck } from './shuffle-sharding.ts';

/** What one request may take of its level. Source: upstream, priorityLevelMaxSeatsPercent. */
const MAX_SEATS_SHARE = 0.15;

export interface LevelLimits {
  nominal: number;
  /** What it keeps when it lends as much as it may. */
  lower: number;
  /** What it has when it borrows as much as it may. */
  upper: number;
}

export class PriorityLevel {
  config: PriorityLevelConfiguration;
  limits: LevelLimits = { nominal: 0, lower: 0, upper: 0 };
  /** What it has now, between lower and upper. */
  current = 0;
  target = 0;
  readonly queues: QueueSet;
  readonly dropped = new DroppedRequests();
  /** No object names it any more; it goes when it is idle. */
  isQuiescing = false;

  constructor(config: PriorityLevelConfiguration, clock: Clock) {
    this.config = config;
    this.queues = new QueueSet(clock, { mode: modeOf(config), limit: 0 });
  }

  get name(): string {
    return this.config.metadata.name;
  }

  get isExempt(): boolean {
    return this.config.spec.type === 'Exempt';
  }

  get shares(): number {
    const { limited, exempt } = this.config.spec;
    return (limited ?? exempt)?.nominalConcurrencyShares ?? 0;
  }

  /** 0: no bound of its own. */
  get maxSeats(): number {
    const queuing = this.config.spec.limited?.limitResponse.queuing;
    if (!queuing) return 0;
    const { nominal } = this.limits;
    return Math.max(1, Math.min(Math.ceil(nominal * MAX_SEATS_SHARE), Math.floor(nominal / queuing.handSize)));
  }

  /** `shareSum` is over all levels, `total` the seats of the server. */
  setLimits(shareSum: number, total: number): void {
    const { limited, exempt } = this.config.spec;
    const nominal = shareSum === 0 ? 0 : Math.ceil((total * this.shares) / shareSum);
    const lendable = Math.round((nominal * ((limited ?? exempt)?.lendablePercent ?? 0)) / 100);
    const percent = limited?.borrowingLimitPercent;
    const borrowable = percent === undefined ? total : Math.round((nominal * percent) / 100);
    const isNew = this.limits.upper === 0;
    this.limits = { nominal, lower: nominal - lendable, upper: nominal + borrowable };
    if (isNew) this.current = nominal - Math.floor(lendable / 2);
  }

  setCurrent(seats: number): void {
    this.current = seats;
    this.queues.configure(modeOf(this.config), seats);
  }
}

function modeOf({ spec }: PriorityLevelConfiguration): QueuingMode {
  if (spec.type === 'Exempt') return 'exempt';
  return spec.limited?.limitResponse.queuing ?? 'reject';
}

/** Why a configuration cannot be used, though it was stored; undefined: it can. */
export function problemOf({ metadata, spec }: PriorityLevelConfiguration): string | undefined {
  if ((spec.type === 'Limited') !== (spec.limited !== undefined))
    return 'broken union structure at the top, for Limited';
  if ((spec.type === 'Exempt') !== (spec.exempt !== undefined)) return 'broken union structure at the top, for Exempt';
  if ((spec.type === 'Exempt') !== (metadata.name === 'exempt')) return 'non-alignment between name and type';
  const { type, queuing } = spec.limited?.limitResponse ?? { type: 'Reject' };
  if ((type === 'Reject') !== (queuing === undefined)) return 'broken union structure for limit response';
  return queuing && problemOfDeck({ deckSize: queuing.queues, handSize: queuing.handSize });
}
