/**
 * Priority and fairness: which flow a request belongs to, and whether it may begin now, must wait, or is turned away.
 * Knows nothing of HTTP and writes nothing; the objects come from `follow-configuration.ts`. A request of a level with
 * free seats begins without a promise. Requests from within the process do not come through here (decision 0011).
 * Source: documentation, "API Priority and Fairness"; KEP-1040.
 */
import type { FlowSchema, PolicyRulesWithSubjects, PriorityLevelConfiguration } from '#api/generated/schema.ts';
import type { Clock, Timer } from '#base/clock.ts';
import type { UserInfo } from '#client/transport.ts';
import { collectionRead, type RequestInfo, type ResourceRequestInfo } from '../request-info.ts';
import { MANDATORY_FLOWS, MANDATORY_LEVELS } from './bootstrap-config.ts';
import { adjustSeats } from './borrowing.ts';
import { byPrecedence, matchesRules, rulesFor } from './flow-matching.ts';
import { FlowStatistics } from './flow-statistics.ts';
import { PriorityLevel, problemOf } from './priority-level.ts';
import type { Patience } from './queue-set.ts';
import { WatchCounts } from './watch-counts.ts';
import type { Work } from './work.ts';
import { type CollectionSize, estimatedWork, ONE_SEAT, type WorkEstimate } from './work-estimate.ts';

/** What upstream has by default: --max-requests-inflight and --max-mutating-requests-inflight. */
export const DEFAULT_SEATS = 400 + 200;
const ADJUST_EVERY_MS = 10_000;

export interface FlowControlOptions {
  clock: Clock;
  /** Of the whole server. */
  seats?: number;
  /** What is stored of a resource; undefined: it is served elsewhere, or not at all. */
  size(info: ResourceRequestInfo): CollectionSize | undefined;
}

/** What the answer says in its headers of how the request was taken. '' for objects that are not stored yet. */
export interface Flow {
  readonly level: PriorityLevel;
  readonly schema: FlowSchema;
  readonly statistics: FlowStatistics;
  readonly flowSchemaUid: string;
  readonly priorityLevelUid: string;
}

interface Candidate {
  flow: Flow;
  rules: readonly PolicyRulesWithSubjects[];
}

/** What is known of one user, until the configuration is another. */
interface FlowsOfUser {
  candidates: readonly Candidate[];
  /** By the collection of the object that is read: no rule looks at its name. */
  ofReading: WeakMap<object, Flow>;
}

export class FlowControl {
  readonly watches = new WatchCounts();
  readonly #clock: Clock;
  readonly #seats: number;
  readonly #size: FlowControlOptions['size'];
  readonly #levels = new Map<string, PriorityLevel>();
  readonly #statistics = new Map<string, FlowStatistics>();
  #flows: readonly Flow[] = [];
  #ofUser = new WeakMap<UserInfo, FlowsOfUser>();
  #configured: readonly PriorityLevelConfiguration[] = [];
  #adjusting: Timer | undefined;
  fairFraction = 0;

  /** Before anybody has come there is nothing to lend. */
  #isUsed = false;

  constructor({ clock, seats = DEFAULT_SEATS, size }: FlowControlOptions) {
    this.#clock = clock;
    this.#seats = seats;
    this.#size = size;
    this.configure([], []);
  }

  get levels(): readonly PriorityLevel[] {
    return [...this.#levels.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  get statistics(): Iterable<FlowStatistics> {
    return this.#statistics.values();
  }

  /** Of a time of the monotonic clock. */
  readonly toWallMs = (ms: number): number => this.#clock.now() - this.#clock.monotonicMs() + ms;

  /** Lends and borrows every ten seconds until it is stopped. */
  start(): void {
    this.#adjusting = this.#clock.timer(ADJUST_EVERY_MS, () => {
      if (this.#isUsed) this.adjust();
      this.start();
    });
  }

  stop(): void {
    this.#adjusting?.cancel();
  }

  adjust(): void {
    for (const level of this.#levels.values())
      if (level.isQuiescing && level.queues.isIdle) this.#levels.delete(level.name);
    this.fairFraction = adjustSeats(this.#levels.values(), this.#clock.monotonicMs());
  }

  /**
   * Takes over what is stored now; what is mandatory and missing is imagined. Returns the names of the levels that flows
   * may lead to.
   */
  configure(levels: readonly PriorityLevelConfiguration[], flows: readonly FlowSchema[]): ReadonlySet<string> {
    this.#configured = withMandatory(
      levels.filter((level) => problemOf(level) === undefined),
      MANDATORY_LEVELS,
    );
    const stored = new Set(
      levels.filter((level) => problemOf(level) === undefined).map(({ metadata }) => metadata.name),
    );
    this.#takeLevels();
    const usable = withMandatory(
      flows.filter(({ spec }) => this.#isConfigured(spec.priorityLevelConfiguration.name)),
      MANDATORY_FLOWS,
    );
    this.#flows = usable.sort(byPrecedence).map((schema) => this.#flowOf(schema));
    this.#ofUser = new WeakMap();
    this.adjust();
    return stored;
  }

  /** Always finds one: the last schema is for everybody. */
  classify(info: RequestInfo, user: UserInfo): Flow {
    const { candidates, ofReading } = this.#flowsOf(user);
    const collection = collectionRead(info);
    const known = collection && ofReading.get(collection);
    if (known) return known;
    const flow = candidates.find(({ rules }) => matchesRules(info, rules))?.flow ?? this.#catchAll();
    if (collection) ofReading.set(collection, flow);
    return flow;
  }

  #flowsOf(user: UserInfo): FlowsOfUser {
    const known = this.#ofUser.get(user);
    if (known) return known;
    const candidates = this.#flows.flatMap((flow) => {
      const rules = rulesFor(user, flow.schema);
      return rules.length > 0 ? [{ flow, rules }] : [];
    });
    const made = { candidates, ofReading: new WeakMap<object, Flow>() };
    this.#ofUser.set(user, made);
    return made;
  }

  #catchAll(): Flow {
    return this.#flows.find(({ schema }) => schema.metadata.name === 'catch-all')!;
  }

  /** As `QueueSet.start`. Who is turned away is told when to come back by `level.dropped`. */
  begin(
    flow: Flow,
    { info, user }: { info: RequestInfo; user: UserInfo },
    patience: () => Patience,
  ): Work | Promise<Work | undefined> | undefined {
    this.#isUsed = true;
    const { level, statistics, schema } = flow;
    const estimate = this.#estimate(flow, info);
    statistics.estimatedSeats.observe(Math.max(estimate.initialSeats, estimate.finalSeats));
    const distinguisher = level.isExempt ? '' : distinguisherOf(schema, info, user);
    return level.queues.start({ distinguisher, statistics, estimate, info, user }, patience);
  }

  #estimate({ level, statistics }: Flow, info: RequestInfo): WorkEstimate {
    if (!info.isResource || info.verb === 'get') return ONE_SEAT;
    const watchers = (of: ResourceRequestInfo) => {
      const count = this.watches.of(of);
      statistics.watchCounts.observe(count);
      return count;
    };
    return estimatedWork(info, { maxSeats: level.maxSeats, size: this.#size, watchers });
  }

  #isConfigured(name: string): boolean {
    return this.#configured.some(({ metadata }) => metadata.name === name);
  }

  /** A level that is gone keeps its seats until the last of its requests is done. */
  #takeLevels(): void {
    for (const config of this.#configured) {
      const level = this.#levels.get(config.metadata.name);
      if (level) {
        level.config = config;
        level.isQuiescing = false;
      } else this.#levels.set(config.metadata.name, new PriorityLevel(config, this.#clock));
    }
    for (const level of this.#levels.values()) if (!this.#isConfigured(level.name)) level.isQuiescing = true;
    const shareSum = [...this.#levels.values()].reduce((sum, { shares }) => sum + shares, 0);
    for (const level of this.#levels.values()) level.setLimits(shareSum, this.#seats);
  }

  #flowOf(schema: FlowSchema): Flow {
    const level = this.#levels.get(schema.spec.priorityLevelConfiguration.name)!;
    const key = `${level.name}/${schema.metadata.name}`;
    const statistics = this.#statistics.get(key) ?? new FlowStatistics(level.name, schema.metadata.name);
    this.#statistics.set(key, statistics);
    const flowSchemaUid = schema.metadata.uid ?? '';
    return { level, schema, statistics, flowSchemaUid, priorityLevelUid: level.config.metadata.uid ?? '' };
  }
}

function distinguisherOf({ spec }: FlowSchema, info: RequestInfo, user: UserInfo): string {
  const by = spec.distinguisherMethod?.type;
  if (by === 'ByUser') return user.name;
  return by === 'ByNamespace' && info.isResource ? info.namespace : '';
}

function withMandatory<T extends { metadata: { name: string } }>(stored: readonly T[], mandatory: readonly T[]): T[] {
  const names = new Set(stored.map(({ metadata }) => metadata.name));
  return [...stored, ...mandatory.filter(({ metadata }) => !names.has(metadata.name))];
}
