/**
 * Brings the mandatory and suggested objects of priority and fairness into the cluster, at the start and every minute.
 * Source: documentation, "API Priority and Fairness", maintenance of the objects; upstream's registry/flowcontrol/ensurer.
 */
import { FlowSchema } from '#api/flowcontrol/v1/flow-schema.ts';
import { PriorityLevelConfiguration } from '#api/flowcontrol/v1/priority-level-configuration.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { hasReason } from '#api/machinery/status.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Client, Draft } from '#client/client.ts';
import type { Informers } from '#client/informer.ts';
import {
  AUTO_UPDATE,
  MANDATORY_FLOWS,
  MANDATORY_LEVELS,
  SUGGESTED_FLOWS,
  SUGGESTED_LEVELS,
} from './bootstrap-config.ts';

const EVERY_MS = 60_000;

type Configured = KubeObject & { spec: object };

const KINDS = [PriorityLevelConfiguration, FlowSchema] as unknown as readonly [Kind<Configured>, Kind<Configured>];

interface Wanted {
  mandatory: readonly Configured[];
  suggested: readonly Configured[];
}

/** What there is of a kind. */
type There = (kind: Kind<Configured>) => Promise<readonly Configured[]> | readonly Configured[];

/** Levels first: a schema that leads nowhere is not used. */
export async function ensureBootstrapConfig(client: Client, there: There = listedBy(client)): Promise<void> {
  const levels = { mandatory: MANDATORY_LEVELS, suggested: SUGGESTED_LEVELS } as unknown as Wanted;
  const flows = { mandatory: MANDATORY_FLOWS, suggested: SUGGESTED_FLOWS } as unknown as Wanted;
  const [levelKind, flowKind] = KINDS;
  await ensureAll(client, levelKind, { items: await there(levelKind), ...levels });
  await ensureAll(client, flowKind, { items: await there(flowKind), ...flows });
}

const listedBy =
  (client: Client): There =>
  async (kind) =>
    (await client.list(kind)).items;

export interface KeepOptions {
  client: Client;
  informers: Informers;
  clock: Clock;
  log: Log;
  signal: AbortSignal;
}

/**
 * Again every minute until the signal aborts. What is as it should be costs no request: flow control follows it anyway; and
 * what was found so is not gone through again before something changes.
 */
export function keepBootstrapConfig({ client, informers, clock, log, signal }: KeepOptions): void {
  const followed = new Map(KINDS.map((kind) => [kind, informers.for(kind)]));
  let isKept = false;
  const mayDiffer = () => {
    isKept = false;
  };
  for (const informer of followed.values()) informer.onChange(mayDiffer);
  const look = () => {
    timer = clock.timer(EVERY_MS, look);
    if (isKept) return;
    if ([...followed.values()].some(({ hasSynced }) => !hasSynced)) return; // nobody knows what is there
    isKept = true;
    ensureBootstrapConfig(client, (kind) => followed.get(kind)?.list() ?? []).catch((error: unknown) => {
      mayDiffer();
      if (!signal.aborted) log.warn('the objects of priority and fairness could not be kept', { error: String(error) });
    });
  };
  let timer = clock.timer(EVERY_MS, look);
  signal.addEventListener('abort', () => timer.cancel(), { once: true });
}

/** Suggested ones only when none of them is there for somebody to have deleted, or in place of what is there. */
async function ensureAll(
  client: Client,
  kind: Kind<Configured>,
  { mandatory, suggested, items }: Wanted & { items: readonly Configured[] },
): Promise<void> {
  const stored = new Map(items.map((item) => [item.metadata.name, item]));
  const isNew = items.length === 0 || mandatory.every(({ metadata }) => !stored.has(metadata.name));
  const keep = (wanted: Configured, isMandatory: boolean) => {
    const there = stored.get(wanted.metadata.name);
    if (!there) return isMandatory || isNew ? create(client, kind, wanted) : undefined;
    const next = isMandatory ? mandatoryForm(there, wanted) : suggestedForm(there, wanted);
    return next && update(client, kind, next);
  };
  await Promise.all([
    ...suggested.map((wanted) => keep(wanted, false)),
    ...mandatory.map((wanted) => keep(wanted, true)),
    ...items
      .filter((item) => isAbandoned(item, [...mandatory, ...suggested]))
      .map((item) => remove(client, kind, item)),
  ]);
}

/** As it must be; of the exempt level its shares are the user's, unless they asked for updates. */
function mandatoryForm(there: Configured, wanted: Configured): Configured | undefined {
  const isTheUsers = there.metadata.name === 'exempt' && 'exempt' in there.spec && autoUpdate(there) === false;
  const spec = isTheUsers ? there.spec : wanted.spec;
  return changed(there, { spec, autoUpdate: isTheUsers ? 'false' : 'true' });
}

/** What somebody has changed is theirs, unless the annotation says otherwise. */
function suggestedForm(there: Configured, wanted: Configured): Configured | undefined {
  const isOurs = autoUpdate(there) ?? there.metadata.generation === 1;
  return changed(there, { spec: isOurs ? wanted.spec : there.spec, autoUpdate: String(isOurs) });
}

function changed(there: Configured, { spec, autoUpdate: value }: { spec: object; autoUpdate: string }) {
  const annotations = { ...there.metadata.annotations, [AUTO_UPDATE]: value };
  if (there.metadata.annotations?.[AUTO_UPDATE] === value && isEqual(there.spec, spec)) return undefined;
  return { ...there, metadata: { ...there.metadata, annotations }, spec };
}

const autoUpdate = ({ metadata }: Configured): boolean | undefined => {
  const value = metadata.annotations?.[AUTO_UPDATE];
  return value === 'true' ? true : value === 'false' ? false : undefined;
};

/** One that a version before suggested, and that is still kept by the server. */
const isAbandoned = (item: Configured, wanted: readonly Configured[]): boolean =>
  autoUpdate(item) === true && !wanted.some(({ metadata }) => metadata.name === item.metadata.name);

const unlessOvertaken = async (work: Promise<unknown>): Promise<void> => {
  try {
    await work;
  } catch (error) {
    // Another server was faster; what it wrote is looked at the next time.
    if (!hasReason(error, 'AlreadyExists', 'Conflict', 'NotFound')) throw error;
  }
};

const create = (client: Client, kind: Kind<Configured>, object: Configured) =>
  unlessOvertaken(client.create(kind, object as Draft<Configured>));
const update = (client: Client, kind: Kind<Configured>, object: Configured) =>
  unlessOvertaken(client.update(kind, object as Draft<Configured>));
const remove = (client: Client, kind: Kind<Configured>, { metadata }: Configured) =>
  unlessOvertaken(
    client.delete(kind, { name: metadata.name }, { preconditions: { resourceVersion: metadata.resourceVersion } }),
  );
