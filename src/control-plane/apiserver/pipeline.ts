/**
 * The one way of every request, whatever transport brought it: what is it about, may this user, which verb, and what
 * comes out. Who the user is was found out before. Failures are StatusErrors; the transports make Status objects of
 * them.
 */
import type { Kind } from '#api/machinery/kind.ts';
import { pathSegment } from '#api/machinery/names.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import {
  badRequest,
  internalError,
  methodNotAllowed,
  methodNotSupported,
  noSuchPath,
  notFound,
  type StatusError,
} from '#api/machinery/status.ts';
import type { Signal } from '#base/plain-signal.ts';
import { type Soon, soon } from '#base/soon.ts';
import type { UserInfo, WatchEvent } from '#client/transport.ts';
import type { Annotate } from './admission/define-admission.ts';
import type { Aggregation } from './aggregation/aggregation.ts';
import type { Auditor } from './audit/auditor.ts';
import { type Attributes, forbiddenBy, type ResourceAttributes } from './authorization/authorizer.ts';
import { DeprecatedUse } from './deprecated-use.ts';
import type { AccessCounts } from './metrics/access-counts.ts';
import type { VerbServices } from './registry/behaviour.ts';
import type { RequestBody } from './request-body.ts';
import { type RequestInfo, type ResourceRequestInfo, requestInfoOf } from './request-info.ts';
import type { Reply, ResourceCall } from './resource-call.ts';
import { handlerOf, isServed } from './routes.ts';
import type { TimeElsewhere } from './time-elsewhere.ts';
import { type OpenedWatch, watch } from './verbs/watch.ts';

export interface IncomingRequest {
  method: string;
  /** With its query. */
  path: string;
  user: UserInfo;
  body?: RequestBody;
  signal?: Signal;
  /** Names who writes when the request does not name a fieldManager. */
  userAgent?: string;
  warn?(text: string): void;
  annotate?: Annotate;
  /** Where the time of webhooks is written down. */
  elsewhere?: TimeElsewhere;
  /** Of a watch: called once when what was there at its beginning has been handed out. */
  caughtUp?(): void;
  /** Of a watch: see ResourceCall. */
  isFollowed?: boolean;
}

interface PipelineParts {
  auditor?: Auditor | undefined;
  aggregation: Aggregation;
  accessCounts: AccessCounts;
  deprecatedUse?: DeprecatedUse;
}

export class Pipeline {
  readonly services: VerbServices;
  /** Puts requests on record; undefined: nothing is. */
  readonly auditor: Auditor | undefined;
  /** Groups that other API servers serve. */
  readonly aggregation: Aggregation;
  readonly deprecatedUse: DeprecatedUse;
  readonly accessCounts: AccessCounts;

  constructor(
    services: VerbServices,
    { auditor, aggregation, accessCounts, deprecatedUse = new DeprecatedUse() }: PipelineParts,
  ) {
    this.services = services;
    this.auditor = auditor;
    this.aggregation = aggregation;
    this.accessCounts = accessCounts;
    this.deprecatedUse = deprecatedUse;
  }

  /** Throws Forbidden. The answer for a path outside the resources as well: the caller serves those. */
  authorize(info: RequestInfo, user: UserInfo, annotate?: Annotate): Soon<void> {
    const { authorizer, clock } = this.services;
    const attributes = attributesOf(info, user);
    const began = clock.monotonicMs();
    return soon(authorizer.authorize(attributes), (decided) => {
      const { decision, reason, error } = decided;
      this.accessCounts.decided(decided, clock.monotonicMs() - began);
      annotate?.('authorization.k8s.io/decision', decision === 'allow' ? 'allow' : 'forbid');
      annotate?.('authorization.k8s.io/reason', reason);
      if (decision === 'allow') return;
      if (error) throw internalError(error); // who could have allowed it cannot be asked
      throw forbiddenBy(attributes, reason);
    });
  }

  /** Everything but watches. Throws NotFound for paths outside the resources. */
  async handle(request: IncomingRequest): Promise<Reply> {
    const info = requestInfoOf(request.method, request.path);
    const authorized = this.authorize(info, request.user, request.annotate);
    if (authorized instanceof Promise) await authorized;
    const remote = this.aggregation.remoteOf(info);
    if (remote) return this.aggregation.call(remote, request);
    if (!info.isResource) throw noSuchPath();
    return this.dispatch(info, request);
  }

  /** A request that was authorised. */
  dispatch(info: ResourceRequestInfo, request: IncomingRequest): Soon<Reply> {
    const kind = this.#kindOf(info);
    const handler = handlerOf(kind, info, this.services.behaviours);
    if (!handler) throw refusedMethod(kind, info);
    this.deprecatedUse.tell(kind, info, request);
    return handler(callOf(kind, info, request), this.services);
  }

  /** Of a group that another API server serves the events come as they are. */
  async watch(request: IncomingRequest): Promise<OpenedWatch | { events: AsyncIterable<WatchEvent> }> {
    const info = requestInfoOf(request.method, request.path);
    await this.authorize(info, request.user, request.annotate);
    const remote = this.aggregation.remoteOf(info);
    if (remote) return { events: this.aggregation.watch(remote, request) };
    if (!info.isResource) throw noSuchPath();
    return this.openWatch(info, request);
  }

  /** A watch that was authorised. */
  async openWatch(info: ResourceRequestInfo, request: IncomingRequest): Promise<OpenedWatch> {
    const kind = this.#kindOf(info);
    if (!kind.verbs.includes('watch') || info.subresource || info.method === 'HEAD') throw refusedMethod(kind, info);
    this.deprecatedUse.tell(kind, info, request);
    return watch(callOf(kind, info, request), this.services);
  }

  /** Throws NotFound where nothing is served. */
  #kindOf(info: ResourceRequestInfo): Kind {
    const { group, version, resource, namespace } = info;
    const kind = this.services.kinds.byResource(group, version, resource);
    if (!kind) throw noSuchPath();
    if (kind.scope === 'Cluster' && namespace && !isNamespaceItself(info)) throw noSuchPath();
    refuseBadSegment('Name', info.namedByPath ? info.name : '');
    refuseBadSegment('Namespace', namespace);
    if (!isServed(kind, info)) throw isOfCustomObject(kind, info) ? notFound(kind, info.name) : noSuchPath();
    return kind;
  }
}

/** `namespaces/a`, whose rights are those in `a`; not `namespaces/a/namespaces`, which would be all of them by the rights in one. */
const isNamespaceItself = ({ group, resource, path }: ResourceRequestInfo): boolean =>
  group === '' &&
  resource === 'namespaces' &&
  !/^\/api\/[^/]+\/(watch\/)?namespaces\/[^/]+\/namespaces(\/|$)/.test(path);

/** A subresource that a definition does not have: upstream has that say that the object is not there. */
const isOfCustomObject = (kind: Kind, { subresource, namespace }: ResourceRequestInfo): boolean =>
  Boolean(kind.custom && subresource && (namespace || kind.scope === 'Cluster'));

/** What stands encoded in a path must not become a path of the store. Throws BadRequest. */
function refuseBadSegment(what: 'Name' | 'Namespace', segment: string): void {
  const complaints = segment ? pathSegment(segment) : [];
  if (complaints.length > 0)
    throw badRequest(`${what} parameter invalid: ${JSON.stringify(segment)}: ${complaints.join(';')}`);
}

const refusedMethod = (kind: Kind, info: ResourceRequestInfo): StatusError =>
  kind.facts ? methodNotAllowed() : methodNotSupported(kind, info.verb || info.method);

const ignore = (): void => undefined;

/** Without spreading: this is made for every request. */
function callOf(kind: Kind, info: ResourceRequestInfo, request: IncomingRequest): ResourceCall<KubeObject> {
  const { user, body, signal, userAgent, warn = ignore, annotate, elsewhere, caughtUp, isFollowed } = request;
  const call: ResourceCall<KubeObject> = { kind, info, user, body, signal, warn };
  if (userAgent) call.userAgent = userAgent;
  if (annotate) call.annotate = annotate;
  if (elsewhere) call.elsewhere = elsewhere;
  if (caughtUp) call.caughtUp = caughtUp;
  if (isFollowed) call.isFollowed = true;
  return call;
}

export function attributesOf(info: RequestInfo, user: UserInfo): Attributes {
  if (!info.isResource) return { user, verb: info.verb, path: info.path };
  const { verb, group, version, resource, subresource, namespace, name, fieldSelector, labelSelector } = info;
  const attributes: ResourceAttributes = {
    user,
    verb: verb || info.method.toLowerCase(),
    group,
    version,
    resource,
    subresource,
    namespace,
    name,
  };
  if (fieldSelector) attributes.fieldSelector = fieldSelector; // without spreading: this is made for every request
  if (labelSelector) attributes.labelSelector = labelSelector;
  return attributes;
}
