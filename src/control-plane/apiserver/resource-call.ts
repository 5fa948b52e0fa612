/** One request about a resource on its way through the verbs, and what comes out of it. */
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import type { Signal } from '#base/plain-signal.ts';
import type { UserInfo } from '#client/transport.ts';
import type { AdmissionRequest, AdmissionVerb, Annotate } from './admission/define-admission.ts';
import type { StoredState } from './registry/stored-objects.ts';
import type { RequestBody } from './request-body.ts';
import type { ResourceRequestInfo } from './request-info.ts';
import type { Forward } from './streaming/forward.ts';
import type { TimeElsewhere } from './time-elsewhere.ts';
import type { CachedObject, ListPage } from './watch-cache/watch-cache.ts';

export interface ResourceCall<T extends KubeObject = KubeObject> {
  kind: Kind<T>;
  info: ResourceRequestInfo;
  user: UserInfo;
  body: RequestBody | undefined;
  signal: Signal | undefined;
  userAgent?: string;
  /** Adds a `Warning: 299`. */
  warn(text: string): void;
  annotate?: Annotate;
  elsewhere?: TimeElsewhere;
  /** Of a watch: called once when what was there at its beginning has been handed out. */
  caughtUp?(): void;
  /**
   * Of a watch: somebody in this process follows it. No connection of it can break, and before its time is up it is told how far
   * it is: bookmarks in between, of which a hundred informers get as many a minute, are of no use to it.
   */
  isFollowed?: boolean;
}

/** Failures are thrown as StatusError. Objects are frozen. */
export type Reply =
  | { code: number; object: object; kind?: Kind; cached?: CachedObject }
  | { code: number; page: ListPage; kind: Kind }
  /** A list that was made for this request; `list` is the whole, `items` what is in it. */
  | { code: number; list: object; items: readonly KubeObject[]; kind: Kind }
  /** Text, not an object: the log of a container that has none. */
  | { code: number; text: string }
  /** Bytes that somebody else (a kubelet, a pod) is to send: the transport connects the client with them. */
  | { code: number; forward: Forward };

export const objectReply = <T extends KubeObject>(
  kind: Kind<T>,
  { object, cached }: StoredState<T>,
  code = 200,
): Reply => (cached ? { code, object, kind, cached } : { code, object, kind });

/** Namespace and name as the path gives them. */
export const locationOf = ({
  kind,
  info,
}: Pick<ResourceCall, 'kind' | 'info'>): { name: string; namespace?: string } =>
  kind.scope === 'Namespaced' ? { name: info.name, namespace: info.namespace } : { name: info.name };

/** A Namespace is admitted as if it stood in itself, as upstream does. */
export function admissionRequest<T extends KubeObject>(
  { kind, info, user, warn, annotate, elsewhere }: ResourceCall<T>,
  { verb, object, old, dryRun }: { verb: AdmissionVerb; object?: T | undefined; old?: T | undefined; dryRun: boolean },
): AdmissionRequest<T> {
  const isNamespace = kind.group === '' && kind.plural === 'namespaces';
  const name = info.name || object?.metadata?.name || '';
  const request: AdmissionRequest<T> = {
    verb,
    kind,
    namespace: isNamespace ? name : kind.scope === 'Namespaced' ? info.namespace : '',
    name,
    subresource: info.subresource,
    user,
    dryRun,
    object,
    old,
    options: () => optionsOf(info, verb),
    warn,
  };
  if (annotate) request.annotate = annotate; // without spreading: this is made for every request
  if (elsewhere) request.elsewhere = elsewhere;
  return request;
}

const OPTIONS: Readonly<Record<AdmissionVerb, string>> = {
  create: 'CreateOptions',
  update: 'UpdateOptions',
  delete: 'DeleteOptions',
  connect: '',
};

/** What the query says; a delete gives its own, which may have come in the body. */
function optionsOf({ query, verb: asked }: ResourceRequestInfo, verb: AdmissionVerb): object | undefined {
  if (verb === 'connect') return undefined;
  const dryRun = query.getAll('dryRun').filter((value) => value !== '');
  const fieldManager = query.get('fieldManager');
  const fieldValidation = query.get('fieldValidation');
  return {
    kind: verb === 'update' && asked === 'patch' ? 'PatchOptions' : OPTIONS[verb],
    apiVersion: 'meta.k8s.io/v1',
    ...(dryRun.length > 0 && { dryRun }),
    ...(fieldManager && { fieldManager }),
    ...(fieldValidation && { fieldValidation }),
  };
}
