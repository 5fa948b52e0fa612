/**
 * What a controller is: what it reconciles, owns and watches, what it may write, and one step. The declaration is the whole
 * truth: the runtime derives queues, indexes, permissions and the graph from it, and the compiler holds the step to it.
 */
import type { LabelSelector, PolicyRule } from '#api/generated/schema.ts';
import type { Kind, KindRegistry } from '#api/machinery/kind.ts';
import type { KubeObject, ObjectKey } from '#api/machinery/object.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import type { RecentSet } from '#base/recent-set.ts';
import type { DeleteOptions, Draft, Named, PatchType } from '#client/client.ts';
import type { EventSink } from '#client/event-recorder.ts';
import type { Informer } from '#client/informer.ts';

export type ObjectOf<K> = K extends Kind<infer T> ? T : never;

/** Kinds that a controller may write, by verb. `status` and `approval` are updates of these subresources. */
export interface Writes {
  create?: readonly Kind[];
  update?: readonly Kind[];
  patch?: readonly Kind[];
  delete?: readonly Kind[];
  status?: readonly Kind[];
  approval?: readonly Kind[];
}
type KindsIn<W extends Writes, Verb extends keyof Writes> = W[Verb] extends readonly (infer K)[] ? K : never;
type Status<T> = T extends { status?: infer S } ? NonNullable<S> : never;

/** A key that waits for a time (see `again`) need not be looked at before this one. */
export interface PutOff {
  key: ObjectKey;
  afterMs: number;
}

/** Another kind whose changes make keys of the reconciled kind dirty. */
export interface Watch<K extends Kind = Kind> {
  kind: K;
  /** Called for the object before and after a change. `clock` is for who notes down when it came. */
  affects(object: KubeObject, cached: Cached<Kind>, clock: Clock): Iterable<ObjectKey | PutOff>;
  /** Whether a change matters; creations and deletions always do. */
  when?(now: KubeObject, before: KubeObject): boolean;
  /** Only these are followed: `metadata.name=…`. */
  fieldSelector?: string;
}

export type Cached<Read extends Kind> = <K extends Read>(kind: K) => Informer<ObjectOf<K>>;

export function watching<T extends KubeObject>(
  kind: Kind<T>,
  affects: (object: T, cached: Cached<Kind>, clock: Clock) => Iterable<ObjectKey | PutOff>,
  when?: (now: T, before: T) => boolean,
): Watch<Kind<T>> {
  return {
    kind,
    affects: (object, cached, clock) => affects(object as T, cached, clock),
    ...(when && { when: (now: KubeObject, before: KubeObject) => when(now as T, before as T) }),
  };
}

/** The verbs that a controller may use, on the kinds that it declared for them. Answers are frozen. */
export interface Api<Read extends Kind, W extends Writes> {
  /** From the server, not from the cache: for the few decisions that must not rest on an old copy. */
  get<K extends Read>(kind: K, at: Named): Promise<ObjectOf<K>>;
  /** From the server as well. */
  list<K extends Read>(kind: K, options: { namespace?: string }): Promise<readonly ObjectOf<K>[]>;
  create<K extends KindsIn<W, 'create'> & Kind>(kind: K, draft: Draft<ObjectOf<K>>): Promise<ObjectOf<K>>;
  update<K extends KindsIn<W, 'update'> & Kind>(kind: K, object: ObjectOf<K>): Promise<ObjectOf<K>>;
  patch<K extends KindsIn<W, 'patch'> & Kind>(
    kind: K,
    at: Named & { subresource?: string },
    patch: { type: PatchType; patch: unknown },
  ): Promise<ObjectOf<K>>;
  /** Server-side: these fields are the manager's from now on, whoever had them. */
  apply<K extends KindsIn<W, 'patch'> & Kind>(
    kind: K,
    at: Named,
    applied: { manager: string; fields: object },
  ): Promise<ObjectOf<K>>;
  /** Only this very object: a new one of the same name is left alone. One that is gone already is no error. */
  delete<K extends KindsIn<W, 'delete'> & Kind>(
    kind: K,
    object: ObjectOf<K>,
    options?: Omit<DeleteOptions, 'preconditions'>,
  ): Promise<void>;
  /** With the conditions that its status says. */
  updateApproval<K extends KindsIn<W, 'approval'> & Kind>(kind: K, object: ObjectOf<K>): Promise<ObjectOf<K>>;
  /** Asks the server only when there is a difference. Annotations are written along where they are given. */
  updateStatus<T extends ObjectOf<KindsIn<W, 'status'>>>(
    object: T,
    status: Status<T>,
    annotations?: Record<string, string>,
  ): Promise<T>;
}

export interface ReconcileContext<Owned extends Kind, Read extends Kind, W extends Writes> {
  key: ObjectKey;
  /** What has this object as its controlling owner. */
  owned<K extends Owned>(kind: K): ObjectOf<K>[];
  /**
   * `owned` after making it true: takes on what `selectorOf` matches and nobody controls, lets go of what it no longer
   * matches. Needs `selectorOf`, and `patch` of the kind.
   */
  claim<K extends Owned & KindsIn<W, 'patch'>>(kind: K): Promise<ObjectOf<K>[]>;
  /** The informer of a kind that is reconciled, owned or watched. */
  cached: Cached<Read>;
  api: Api<Read, W>;
  /** How many objects a step for this key goes through: when they are many, their changes gather before the next one. */
  weighs(objects: number): void;
  events: EventSink;
  clock: Clock;
  random: Random;
  log: Log;
}

export type Outcome = { type: 'settled' } | { type: 'again'; afterMs: number } | { type: 'given up'; reason: string };

/** Nothing to do until something changes. */
export const settled: Outcome = Object.freeze({ type: 'settled' });
/** Nothing is wrong, but look again then. */
export const again = ({ afterMs }: { afterMs: number }): Outcome => ({ type: 'again', afterMs: Math.max(0, afterMs) });
/** Something is wrong that trying again does not mend. */
export const giveUp = (reason: string): Outcome => ({ type: 'given up', reason });

export interface ControllerSpec<
  T extends KubeObject,
  Owns extends readonly Kind[],
  Watches extends readonly Watch[],
  W extends Writes,
> {
  /** Upstream's name, by which it is switched off: `replicaset-controller`. */
  name: string;
  /** Upstream's ServiceAccount and role, where it is not the name: `node-controller`. */
  serviceAccount?: string;
  /** Whom its Events come from, where upstream's is not the name either. */
  eventSource?: string;
  reconciles: Kind<T>;
  owns?: Owns;
  watches?: Watches;
  writes?: W;
  /** Permissions that do not follow from the rest (subresources). */
  also?: readonly PolicyRule[];
  /** Its rights are upstream's Roles in single namespaces: none follow from the declaration. */
  hasRoles?: true;
  /** Which objects of `owns` belong to it: an unowned one that matches makes the key dirty. See `claim`. */
  selectorOf?(object: T): LabelSelector | undefined;
  /** Finalizers that an object of `owns` gets when it is taken on. See `claim`. */
  adoptedGet?: readonly string[];
  /** Whether a change of the reconciled object matters; deletions always do. Default: always. */
  when?(now: T, before: T): boolean;
  /** Whether a change of an object of `owns` matters to its owner; creations, deletions and another owner always do. Default: always. */
  whenOwned?(now: ObjectOf<Owns[number]>, before: ObjectOf<Owns[number]>): boolean;
  /** Whether one that is new matters, also one that was there before the controller was. Default: always. */
  whenNew?(now: T): boolean;
  /**
   * Writes that a step has reckoned with already: that caches hear of them brings no further step of that key. Of `create` only where
   * the status written behind it counts what was made. When to look again goes by the status as it was written: no other step
   * comes of it. Default: none.
   */
  reckonsWith?: readonly ('create' | 'status')[];
  /** How many keys at a time. Default 5, as upstream's --concurrent-…-syncs. */
  workers?: number;
  /** One step for one object, idempotent. What it throws means: back off and try again. */
  reconcile(
    object: T,
    context: ReconcileContext<Owns[number], Kind<T> | Owns[number] | Watches[number]['kind'], W>,
  ): Promise<Outcome>;
  /** For a key that has no object (any more). */
  gone?(context: ReconcileContext<Owns[number], Kind<T> | Owns[number] | Watches[number]['kind'], W>): Promise<Outcome>;
}

/** Stands for all kinds, also those that are unknown when this is compiled. */
export const anyKind = Symbol('any kind');

/** An object as an any-kind controller meets it. */
export interface AnyObjectRef {
  kind: Kind;
  key: ObjectKey;
}

/** Of any kind; held to `also` by the API server alone. */
export interface AnyKindApi {
  get(kind: Kind, at: Named): Promise<KubeObject>;
  list(kind: Kind, options: { namespace?: string }): Promise<readonly KubeObject[]>;
  update(kind: Kind, object: KubeObject, subresource?: string): Promise<KubeObject>;
  patch(kind: Kind, at: Named, patch: { type: PatchType; patch: unknown }): Promise<KubeObject>;
  delete(kind: Kind, at: Named, options?: DeleteOptions): Promise<void>;
  deleteCollection(kind: Kind, options: { namespace: string }): Promise<void>;
}

export interface AnyKindContext {
  /** The informer of a kind that is being followed. */
  cached(kind: Kind): Informer<KubeObject> | undefined;
  /** Over all kinds: objects under a key of `indexes`. */
  under(index: string, indexKey: string): { kind: Kind; object: KubeObject }[];
  /** What the controller notes down for itself, in this run of it alone: the last so many. */
  notes: RecentSet<string>;
  /** Makes another key dirty. */
  enqueue(ref: AnyObjectRef): void;
  kinds: KindRegistry;
  /** See ReconcileContext. */
  weighs(objects: number): void;
  api: AnyKindApi;
  events: EventSink;
  clock: Clock;
  log: Log;
}

export interface AnyKindChange {
  kind: Kind;
  key: ObjectKey;
  now: KubeObject | undefined;
  before: KubeObject | undefined;
}
export type AnyKindReading = Pick<AnyKindContext, 'under' | 'cached' | 'kinds' | 'notes'>;

/** The form for controllers of kinds that are unknown when this is compiled (garbage collection). */
export interface AnyKindControllerSpec {
  name: string;
  serviceAccount?: string;
  reconciles: typeof anyKind;
  /** Which of the served kinds are followed. */
  follows(kind: Kind): boolean;
  /** Of which of them more is looked at than who an object is and whose; all, unless this is given. */
  wholes?(kind: Kind): boolean;
  indexes?: Readonly<Record<string, (object: KubeObject) => string | string[] | undefined>>;
  /** The keys to look at after a change; `before` of a deleted object is its last state. */
  affects(change: AnyKindChange, context: AnyKindReading): Iterable<AnyObjectRef>;
  also: readonly PolicyRule[];
  workers?: number;
  /** `object` is undefined when there is none (any more). */
  reconcile(ref: AnyObjectRef, object: KubeObject | undefined, context: AnyKindContext): Promise<Outcome>;
}

/** What the runtime serves every controller by; what a step may touch was checked where it was declared. */
export type KindControllerSpec = ControllerSpec<KubeObject, readonly Kind[], readonly Watch[], Writes>;

/** What roles and drawings go by. Nobody runs it: see `begin`. */
export type Declaration = Pick<
  KindControllerSpec,
  'reconciles' | 'owns' | 'watches' | 'writes' | 'also' | 'hasRoles' | 'eventSource'
>;

export interface KindController {
  form: 'kind';
  name: string;
  serviceAccount: string;
  spec: Declaration;
  /** What one run goes by. It remembers nothing of another: whoever is started again knows what the API says. */
  begin(): KindControllerSpec;
}
export interface AnyKindController {
  form: 'any kind';
  name: string;
  serviceAccount: string;
  spec: AnyKindControllerSpec;
}
export type Controller = KindController | AnyKindController;

export function defineController(spec: AnyKindControllerSpec): AnyKindController;
/** @param spec one that remembers something between its steps is made by a function, for each run anew. */
export function defineController<
  T extends KubeObject,
  const Owns extends readonly Kind[] = readonly [],
  const Watches extends readonly Watch[] = readonly [],
  const W extends Writes = Record<never, never>,
>(spec: ControllerSpec<T, Owns, Watches, W> | (() => ControllerSpec<T, Owns, Watches, W>)): KindController;
export function defineController(given: AnySpec | (() => AnySpec)): Controller {
  const begin = () => (typeof given === 'function' ? given() : given);
  const spec = begin();
  const names = { name: spec.name, serviceAccount: spec.serviceAccount ?? spec.name };
  if (spec.reconciles === anyKind) return { form: 'any kind', ...names, spec: spec as AnyKindControllerSpec };
  return { form: 'kind', ...names, spec: spec as KindControllerSpec, begin: begin as () => KindControllerSpec };
}

interface AnySpec {
  name: string;
  serviceAccount?: string;
  reconciles: unknown;
}
