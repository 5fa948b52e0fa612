/**
 * What a kind does beyond the common strategy because it needs IO: allocates, binds, evicts, forwards. Everything
 * pure stands in the kind's own file under `api/`. The list of all behaviours is `behaviours.ts`.
 */
import type { Kind, KindRegistry } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import type { Soon } from '#base/soon.ts';
import type { UserInfo } from '#client/transport.ts';
import type { AdmissionChain } from '../admission/chain.ts';
import type { Authorizer } from '../authorization/authorizer.ts';
import type { Reply, ResourceCall } from '../resource-call.ts';
import type { Tunnels } from '../tunnels/tunnels.ts';
import type { Caches } from './caches.ts';
import type { Alongside, StoredObjects } from './stored-objects.ts';

/** What the verbs work with; the same for every request. */
export interface VerbServices {
  stored: StoredObjects;
  caches: Caches;
  kinds: KindRegistry;
  behaviours: Behaviours;
  admission: AdmissionChain;
  authorizer: Authorizer;
  clock: Clock;
  random: Random;
  log: Log;
  /** Kubelets that are in this process, and not where their nodes say. */
  nearKubelet: NearKubelet | undefined;
  tunnels: Tunnels;
}

export type NearKubelet = (nodeName: string) => { host: string; port: number } | undefined;

/** An object ready to be validated, and what has to be written together with it. */
export interface Prepared<T> {
  object: T;
  alongside?: Alongside;
}

export interface BehaviourContext {
  services: VerbServices;
  user: UserInfo;
  /** As authorizers know it. */
  verb: string;
  dryRun: boolean;
}

export type Handler = (call: ResourceCall, services: VerbServices) => Soon<Reply>;

/** Declared with methods, so that a Behaviour<Service> is a Behaviour. */
export interface Behaviour<T extends KubeObject = KubeObject> {
  group: string;
  plural: string;
  /** Before strategy and validation. Called again when somebody else took what `alongside` needed. */
  beforeCreate?(object: T, context: BehaviourContext): Promise<Prepared<T>>;
  /** Never for the status subresource. */
  beforeUpdate?(next: T, current: T, context: BehaviourContext): Promise<Prepared<T>>;
  /** The same for the status subresource. */
  beforeStatusUpdate?(next: T, current: T, context: BehaviourContext): Promise<Prepared<T>>;
  /** Beside those of the kind: of what was created, and of updates of the main resource. */
  warnings?(object: T): readonly string[];
  /** What else goes when the object goes. */
  onRemove?(object: T): Alongside;
  /** A delete does not remove it before this holds, whatever its finalizers say. */
  mayBeRemoved?(object: T): boolean;
  /** What a delete marks beyond deletionTimestamp. */
  markDeleting?(object: T, at: { nowMs: number }): T;
  /** DELETE answers with the object instead of a Status. */
  returnsDeleted?: boolean;
  /** In place of the common verb. */
  verbs?: Readonly<Partial<Record<'create' | 'get' | 'list', Handler>>>;
  /** By name of the subresource, then by verb. */
  subresources?: Readonly<Record<string, Readonly<Record<string, Handler>>>>;
}

export interface Behaviours {
  of(kind: Pick<Kind, 'group' | 'plural'>): Behaviour | undefined;
}

export function behavioursOf(list: readonly Behaviour[]): Behaviours {
  const byPlural = new Map<string, Behaviour[]>(); // asked with every request, and mostly in vain
  for (const behaviour of list) byPlural.set(behaviour.plural, [...(byPlural.get(behaviour.plural) ?? []), behaviour]);
  return { of: ({ group, plural }) => byPlural.get(plural)?.find((behaviour) => behaviour.group === group) };
}
