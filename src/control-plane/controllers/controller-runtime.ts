/** Runs controllers of one kind: what changed becomes a key, a key is reconciled, what failed is tried again later. */
import { isEqual } from '#api/machinery/equal.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { matchesLabels, selectorFrom } from '#api/machinery/label-selector.ts';
import type { KubeObject, ObjectKey, ResourceVersion } from '#api/machinery/object.ts';
import { keyOf } from '#api/machinery/object.ts';
import type { Clock } from '#base/clock.ts';
import type { Informer, Informers } from '#client/informer.ts';
import { claimableBy, claimed, controllerOf, controllerUidOf } from './claim.ts';
import { readsOf } from './controller-roles.ts';
import type {
  Cached,
  KindController,
  KindControllerSpec,
  Outcome,
  PutOff,
  ReconcileContext,
  Watch,
  Writes,
} from './define-controller.ts';
import type { RunEnvironment } from './key-runner.ts';
import { KeyRunner } from './key-runner.ts';
import { OwnWrites } from './own-writes.ts';
import { trackedApi } from './tracked-api.ts';
import { WriteBarrier } from './write-barrier.ts';

type Spec = KindControllerSpec;
type Context = ReconcileContext<Kind, Kind, Writes>;

/** The informers that are being followed, and the work that comes of them. */
export function runController({ name, begin }: KindController, env: RunEnvironment): KeyRunner {
  const { informers, clock } = env;
  const spec = begin();
  const scopeOf = (kind: Kind) => {
    const fieldSelector = spec.watches?.find((watch) => watch.kind === kind)?.fieldSelector;
    return fieldSelector ? { fieldSelector } : {};
  };
  const informerOf = new Map<Kind, Informer<KubeObject>>(
    readsOf(spec).map((kind) => [kind, informers.for(kind, scopeOf(kind))]),
  );
  const cached = ((kind) => informerOf.get(kind)) as Cached<Kind>;
  const barrier = new WriteBarrier({ clock, informerOf: (kind) => informerOf.get(kind) });
  const weigh = (key: ObjectKey, objects: number) => runner.weigh(key, objects);
  const own = spec.reckonsWith && new OwnWrites();
  const contextOf = contextMaker(spec, { ...env, cached, barrier, weigh, own });
  const main = informers.for(spec.reconciles);

  const runner: KeyRunner = new KeyRunner(name, env, {
    workers: spec.workers ?? 5,
    barrier,
    step(key): Promise<Outcome> {
      const object = main.get(key);
      const context = contextOf(key, object);
      if (object)
        return own ? knowingOwn(own, key, () => spec.reconcile(object, context)) : spec.reconcile(object, context);
      runner.weigh(key, 0);
      own?.forget(key);
      return spec.gone?.(context) ?? Promise.resolve({ type: 'settled' });
    },
  });
  const add = (key: ObjectKey) => runner.add(key);
  const addForOthers = (key: ObjectKey) => runner.addForOthers(key);
  const enqueue: Enqueue = own ? (key, now) => own.told(key, now?.metadata.resourceVersion, add) : add;
  const later: Enqueue = own ? (key, now) => own.told(key, now?.metadata.resourceVersion, addForOthers) : addForOthers;
  const postpone = ({ key, afterMs }: PutOff) => runner.postpone(key, afterMs);
  const isHeavy = (key: ObjectKey) => runner.isHeavy(key);
  const remembers = (key: ObjectKey) => runner.remembers(key);
  runner.onStop(listen(spec, { cached, main, clock, enqueue, later, isHeavy, remembers, postpone }));
  runner.startAfter(informerOf.values());
  return runner;
}

async function knowingOwn(own: OwnWrites, key: ObjectKey, step: () => Promise<Outcome>): Promise<Outcome> {
  own.begin(key);
  try {
    return await step();
  } finally {
    own.end(key);
  }
}

/** `now`: what has changed, as it is; undefined when it is gone. */
type Enqueue = (key: ObjectKey, now: KubeObject | undefined) => void;

interface Listening {
  cached: Cached<Kind>;
  main: Informer<KubeObject>;
  clock: Clock;
  enqueue: Enqueue;
  /** With other changes, when a step is much work. */
  later: Enqueue;
  postpone(key: PutOff): void;
  /** A step is much work. */
  isHeavy(key: ObjectKey): boolean;
  /** See KeyRunner. */
  remembers(key: ObjectKey): boolean;
}

function listen(spec: Spec, listening: Listening): () => void {
  const { main, cached, enqueue, later, isHeavy, remembers } = listening;
  const stops = [
    main.onChange((change) => {
      if (!change.now && !spec.gone && !remembers(change.key)) return;
      if (!isOfInterest(spec, change)) return;
      if (isHeavy(change.key) && asksNothingNew(change)) later(change.key, change.now);
      else enqueue(change.key, change.now);
    }),
    ...(spec.owns ?? []).map((kind) => {
      return cached(kind).onChange(({ now, before }) => ownersTouched(spec, listening, { now, before }));
    }),
    ...(spec.watches ?? []).map((watch) => {
      return cached(watch.kind).onChange((change) => watchTouched(watch, listening, change));
    }),
  ];
  // What others have followed for a while already is not told of any more.
  for (const object of main.list())
    if (isOfInterest(spec, { now: object, before: undefined })) enqueue(keyOf(object), object);
  return () => {
    for (const stop of stops) stop();
  };
}

interface Touched {
  now: KubeObject | undefined;
  before: KubeObject | undefined;
}

/** Of the reconciled kind. */
function isOfInterest({ when, whenNew }: Spec, { now, before }: Touched): boolean {
  if (!now) return true;
  if (!before) return whenNew?.(now) ?? true;
  return !isSame(now, before) || (when?.(now, before) ?? true);
}

/** Only the status is another, which mostly is what the controller says itself: else each step would ask for the next. */
function asksNothingNew({ now, before }: Touched): boolean {
  if (!now || !before || now.metadata.generation === undefined) return false;
  return isEqual(withoutVersion(now), withoutVersion(before));
}

const withoutVersion = ({ metadata }: KubeObject): object => ({
  ...metadata,
  resourceVersion: undefined,
  managedFields: undefined,
});

function ownersTouched(spec: Spec, { main, later }: Listening, { now, before }: Touched): void {
  const owner = now && ownerKeyOf(spec.reconciles, now);
  const isSameOwner = now && now.metadata.ownerReferences === before?.metadata.ownerReferences;
  const former = isSameOwner ? owner : before && ownerKeyOf(spec.reconciles, before);
  if (now && before && owner === former && isSame(now, before) && spec.whenOwned?.(now, before) === false) return;
  if (owner !== undefined) later(owner, now);
  if (former !== undefined && former !== owner) later(former, now);
  if (!spec.selectorOf || !now || now.metadata.deletionTimestamp || controllerOf(now)) return;
  for (const owner of main.inNamespace(now.metadata.namespace ?? ''))
    if (matchesLabels(selectorFrom(spec.selectorOf(owner)), now.metadata.labels)) later(keyOf(owner), now);
}

const isSame = (now: KubeObject, before: KubeObject): boolean => now.metadata.uid === before.metadata.uid;

/** The key of the object of `kind` that controls this one. */
function ownerKeyOf(kind: Kind, object: KubeObject): ObjectKey | undefined {
  const owner = controllerOf(object);
  if (owner?.kind !== kind.kind || groupOf(owner.apiVersion) !== kind.group) return undefined;
  const { namespace } = object.metadata;
  return kind.scope === 'Namespaced' && namespace ? `${namespace}/${owner.name}` : owner.name;
}

const groupOf = (apiVersion: string): string => (apiVersion.includes('/') ? (apiVersion.split('/')[0] as string) : '');

function watchTouched(watch: Watch, { cached, clock, later, postpone }: Listening, { now, before }: Touched): void {
  if (now && before && !(watch.when?.(now, before) ?? true)) return;
  // A key is queued once, however often it is named.
  for (const object of [before, now])
    for (const touched of object ? watch.affects(object, cached, clock) : [])
      if (typeof touched === 'string') later(touched, now);
      else postpone(touched);
}

interface ContextParts extends RunEnvironment {
  cached: Cached<Kind>;
  barrier: WriteBarrier;
  weigh(key: ObjectKey, objects: number): void;
  own: OwnWrites | undefined;
}

function contextMaker(spec: Spec, parts: ContextParts): (key: ObjectKey, object: KubeObject | undefined) => Context {
  const { informers, client, cached, barrier, events, clock, random, log, weigh, own } = parts;
  const ownedBy = ownedIndexes(spec, informers);
  return (key, object) => {
    const reckoned = (verb: 'create' | 'status', version: ResourceVersion) => {
      if (spec.reckonsWith?.includes(verb)) own?.wrote(key, version);
    };
    const api = trackedApi(key, { client, barrier, writes: spec.writes ?? {}, ...(own && { reckoned }) });
    const owned = (kind: Kind) => (object ? (ownedBy.get(kind)?.under(object.metadata.uid) ?? []) : []);
    const claim = async (kind: Kind) => {
      if (!object) return [];
      return claimed({
        owner: object,
        ownerKind: spec.reconciles,
        selector: spec.selectorOf?.(object),
        ...(spec.adoptedGet && { finalizers: spec.adoptedGet }),
        kind,
        ...claimableBy(object, cached(kind)),
        client,
        patch: (target, patch) => api.patch(kind, target.metadata, { type: 'strategic', patch }),
      });
    };
    const weighs = (objects: number) => weigh(key, objects);
    return { key, owned, claim, cached, api, events, clock, random, log, weighs } as unknown as Context;
  };
}

const ownedIndexes = (spec: Spec, informers: Informers) =>
  new Map((spec.owns ?? []).map((kind) => [kind, informers.indexed(kind, controllerUidOf)]));
