/**
 * An admission plugin: a last look at a write after it was authorised. All `mutate` of the chain run first, in order, on
 * the defaulted object; then, after validation of the object, all `validate`. Source: documentation, "Admission Control".
 */
import type { Kind, KindRegistry } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { forbidden, type StatusError } from '#api/machinery/status.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import type { Informers } from '#client/informer.ts';
import type { UserInfo } from '#client/transport.ts';
import type { Authorizer } from '../authorization/authorizer.ts';
import type { LiveLookup } from '../live-lookup.ts';
import type { TimeElsewhere } from '../time-elsewhere.ts';
import type { Way } from '../tunnels/tunnels.ts';
import type { PolicyChecks } from './policies/policy-checks.ts';
import type { WebhookCalls } from './webhooks/webhook-calls.ts';

/** patch is an update; deletecollection is a delete of each. connect: exec, attach, port-forward, proxy. */
export type AdmissionVerb = 'create' | 'update' | 'delete' | 'connect';

export interface AdmissionRequest<T extends KubeObject = KubeObject> {
  verb: AdmissionVerb;
  /** The kind of the endpoint's resource; for `pods/binding` still Pod. */
  kind: Kind;
  /** '' where there is none, like name (with generateName) and subresource. */
  namespace: string;
  name: string;
  subresource: string;
  user: UserInfo;
  dryRun: boolean;
  /** What is to be stored, or the subresource's body; undefined for a delete. Frozen or not: plugins never change it. */
  object: T | undefined;
  /** What is stored; undefined for a create. */
  old: T | undefined;
  /** CreateOptions and the like as the client gave them; undefined for a connect. */
  options?(): object | undefined;
  /** Adds a `Warning: 299` to the answer. */
  warn?(text: string): void;
  annotate?: Annotate;
  elsewhere?: TimeElsewhere;
}

/**
 * Adds to the audit event of the request; absent unless one is being recorded. A key that is there already stays.
 * `level`: the audit level from which on it is kept, where that is more than Metadata.
 */
export type Annotate = (key: string, value: string, level?: 'Request') => void;

/** How plugins see the rest of the cluster. */
export interface AdmissionServices {
  /** Copies that may lag behind a moment. */
  informers: Informers;
  /** What is stored now, for where the lag would refuse what is right. */
  live: LiveLookup;
  authorizer: Authorizer;
  clock: Clock;
  random: Random;
  log: Log;
  kinds: KindRegistry;
  /** For what has to be asked over the network. */
  endpoint: ServiceEndpoint;
  /** What is counted of admission policies. */
  webhookCalls?: WebhookCalls;
  policyChecks?: { validating: PolicyChecks; mutating: PolicyChecks };
}

/** A ready address behind a Service's port, or why there is none. */
export type ServiceEndpoint = (service: {
  namespace: string;
  name: string;
  port: number;
}) => Promise<{ host: string; port: number; way?: Way | undefined } | { problem: string }>;

/**
 * The mutating plugins run once more when one of those that ask outside changed the object: others may have to look at
 * what it made. Source: documentation, "Reinvocation policy".
 */
export interface Reinvocation {
  readonly isAgain: boolean;
  /** Set by a plugin in the first round. */
  isWanted: boolean;
  /** By name of plugin: what it remembers from the first round. */
  readonly kept: Map<string, unknown>;
}

/** What an object of this resource may be of; `plural: '*'` is any, also kinds that are defined while running. */
export interface AdmittedResource {
  group: string;
  plural: string;
  /** '' or absent: the resource itself. '*': the resource and everything under it. */
  subresource?: string;
}

export interface AdmissionPlugin {
  name: string;
  /** Kinds that it looks up by informer: the chain follows them from its start, so that they are there when asked for. */
  reads: readonly Kind[];
  /** Says the same of the same verb, kind and subresource each time. */
  handles(request: Pick<AdmissionRequest, 'verb' | 'kind' | 'subresource'>): boolean;
  /** Returns the object to go on with: the same one when nothing is to change. Throws StatusError to refuse. */
  mutate?(
    request: AdmissionRequest,
    services: AdmissionServices,
    reinvocation: Reinvocation,
  ): KubeObject | Promise<KubeObject>;
  validate?(request: AdmissionRequest, services: AdmissionServices): void | Promise<void>;
}

export interface AdmissionDeclaration<T extends KubeObject> {
  name: string;
  on: {
    /** A Kind serves as its own resource. */
    resources: readonly AdmittedResource[] | Kind<T> | '*';
    verbs: readonly AdmissionVerb[];
  };
  reads?: readonly Kind[];
  mutate?(object: T, request: AdmissionRequest<T>, services: AdmissionServices): T | Promise<T>;
  /** `object` is undefined for a delete. */
  validate?(request: AdmissionRequest<T>, services: AdmissionServices): void | Promise<void>;
}

export function defineAdmission<T extends KubeObject = KubeObject>(
  declaration: AdmissionDeclaration<T>,
): AdmissionPlugin {
  const { name, on, reads = [], mutate, validate } = declaration;
  const resources = resourcesOf(on.resources);
  return {
    name,
    reads,
    handles: ({ verb, kind, subresource }) =>
      on.verbs.includes(verb) && (!resources || resources.some((one) => covers(one, kind, subresource))),
    ...(mutate && {
      mutate: (request: AdmissionRequest, services: AdmissionServices) =>
        request.object ? mutate(request.object as T, request as AdmissionRequest<T>, services) : neverObject(name),
    }),
    ...(validate && {
      validate: (request: AdmissionRequest, services: AdmissionServices) =>
        validate(request as AdmissionRequest<T>, services),
    }),
  };
}

const resourcesOf = (on: readonly AdmittedResource[] | Kind | '*'): readonly AdmittedResource[] | undefined => {
  if (on === '*') return undefined;
  return 'plural' in on ? [{ group: on.group, plural: on.plural }] : on;
};

const covers = (one: AdmittedResource, kind: Kind, subresource: string): boolean =>
  (one.plural === '*' || (one.group === kind.group && one.plural === kind.plural)) &&
  (one.subresource === '*' || (one.subresource ?? '') === subresource);

function neverObject(name: string): never {
  throw new Error(`admission plugin ${name} was asked to change an object that is not there`);
}

/** The 403 of a plugin, with the name that the object has or will get. */
export function refused({ kind, name, object }: AdmissionRequest, why: string): StatusError {
  const named = name || object?.metadata?.name || object?.metadata?.generateName || 'Unknown';
  return forbidden({ group: kind.group, plural: kind.plural }, named, why);
}
