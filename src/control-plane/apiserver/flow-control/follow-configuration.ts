/** Keeps flow control at what the API holds, and tells FlowSchemas that lead nowhere so in their status. */
import { FlowSchema } from '#api/flowcontrol/v1/flow-schema.ts';
import { PriorityLevelConfiguration } from '#api/flowcontrol/v1/priority-level-configuration.ts';
import { hasReason } from '#api/machinery/status.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Client } from '#client/client.ts';
import type { Informers } from '#client/informer.ts';
import { timestampOf } from '../verbs/object-identity.ts';
import type { FlowControl } from './flow-control.ts';

export interface FollowOptions {
  flowControl: FlowControl;
  client: Client;
  informers: Informers;
  clock: Clock;
  log: Log;
  signal: AbortSignal;
}

/** Changes that come together are taken over together. */
const GATHER_MS = 10;
/** Of one schema's status: servers that do not agree must not write against each other for ever. Source: upstream. */
const MAX_WRITES_A_MINUTE = 6;

export function followConfiguration(options: FollowOptions): void {
  const { flowControl, informers, clock, log, signal } = options;
  const levels = informers.for(PriorityLevelConfiguration);
  const flows = informers.for(FlowSchema);
  const writes = new RecentWrites(clock);
  let isAsked = false;
  const look = () => {
    isAsked = false;
    if (signal.aborted || !levels.hasSynced || !flows.hasSynced) return;
    const known = flowControl.configure(levels.list(), flows.list());
    for (const flow of flows.list()) {
      const wanted = conditionOf(flow, known.has(flow.spec.priorityLevelConfiguration.name));
      if (!wanted || !writes.isAllowed(flow.metadata.name)) continue;
      tell(options, flow, wanted).catch((error: unknown) => {
        if (!signal.aborted && !hasReason(error, 'NotFound', 'Conflict'))
          log.warn('the status of a FlowSchema could not be written', {
            name: flow.metadata.name,
            error: String(error),
          });
      });
    }
  };
  const ask = () => {
    if (isAsked) return;
    isAsked = true;
    clock.timer(GATHER_MS, look);
  };
  for (const informer of [levels, flows]) {
    informer.onChange(ask);
    informer.onProgress(() => informer.hasSynced && !isSettled() && ask());
  }
  flowControl.start();
  signal.addEventListener('abort', () => flowControl.stop(), { once: true });

  /** After the first listing a change is all that counts. */
  let wasSynced = false;
  function isSettled(): boolean {
    if (wasSynced) return true;
    wasSynced = levels.hasSynced && flows.hasSynced;
    return false;
  }
}

interface Condition {
  type: 'Dangling';
  status: 'True' | 'False';
  reason: string;
  message: string;
}

/** undefined: it says so already. */
function conditionOf({ spec, status }: FlowSchema, isKnown: boolean): Condition | undefined {
  const start = `This FlowSchema references the PriorityLevelConfiguration object named ${JSON.stringify(spec.priorityLevelConfiguration.name)}`;
  const wanted: Condition = isKnown
    ? { type: 'Dangling', status: 'False', reason: 'Found', message: `${start} and it exists` }
    : { type: 'Dangling', status: 'True', reason: 'NotFound', message: `${start} but there is no such object` };
  const there = status?.conditions?.find(({ type }) => type === 'Dangling');
  const isSaid = there?.status === wanted.status && there.reason === wanted.reason && there.message === wanted.message;
  return isSaid ? undefined : wanted;
}

async function tell({ client, clock }: FollowOptions, flow: FlowSchema, condition: Condition): Promise<void> {
  const conditions = [{ ...condition, lastTransitionTime: timestampOf(clock.now()) }];
  const at = { name: flow.metadata.name, subresource: 'status' };
  await client.patch(FlowSchema, at, { type: 'strategic', patch: { status: { conditions } } });
}

class RecentWrites {
  readonly #clock: Clock;
  #writes: { name: string; atMs: number }[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  isAllowed(name: string): boolean {
    const nowMs = this.#clock.monotonicMs();
    this.#writes = this.#writes.filter(({ atMs }) => nowMs - atMs < 60_000);
    if (this.#writes.filter((write) => write.name === name).length >= MAX_WRITES_A_MINUTE) return false;
    this.#writes.push({ name, atMs: nowMs });
    return true;
  }
}
