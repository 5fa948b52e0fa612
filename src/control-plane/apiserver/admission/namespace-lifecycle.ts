/**
 * Nothing is created in a namespace that does not exist or is going, and three namespaces cannot be deleted.
 * Runs before everything else, so that other plugins need not ask.
 */
import { Namespace } from '#api/core/v1/namespace.ts';
import { forbidden, notFound, StatusError } from '#api/machinery/status.ts';
import { type Soon, soon } from '#base/soon.ts';
import {
  type AdmissionPlugin,
  type AdmissionRequest,
  type AdmissionServices,
  defineAdmission,
  refused,
} from './define-admission.ts';

const NAMESPACES = { group: '', plural: 'namespaces' };
const IMMORTAL: readonly string[] = ['default', 'kube-system', 'kube-public'];
// How long after a deletion copies are not trusted to show it.
const DISTRUST_MS = 30_000;

export function namespaceLifecycle(): AdmissionPlugin {
  const distrustedUntilMs = new Map<string, number>();

  const namespaceOf = (name: string, { informers, live, clock }: AdmissionServices): Soon<Namespace | undefined> => {
    const distrusted = (distrustedUntilMs.get(name) ?? 0) > clock.now();
    if (!distrusted) distrustedUntilMs.delete(name);
    const copy = distrusted ? undefined : informers.for(Namespace).get(name);
    return copy ?? live(Namespace, { name });
  };

  return defineAdmission({
    name: 'NamespaceLifecycle',
    on: { resources: '*', verbs: ['create', 'update', 'delete'] },
    reads: [Namespace],

    mutate(object, request, services) {
      if (!isInNamespace(request) || isAccessReview(request)) return object;
      return soon(namespaceOf(request.namespace, services), (namespace) => {
        if (!namespace) throw notFound(NAMESPACES, request.namespace);
        if (request.verb === 'create' && namespace.status?.phase === 'Terminating') throw terminating(request);
        return object;
      });
    },

    validate({ verb, kind, name, subresource }, { clock }) {
      if (verb !== 'delete' || !isNamespace(kind) || subresource) return;
      if (IMMORTAL.includes(name)) throw forbidden(NAMESPACES, name, 'this namespace may not be deleted');
      distrustedUntilMs.set(name, clock.now() + DISTRUST_MS);
    },
  });
}

const isNamespace = ({ group, plural }: AdmissionRequest['kind']): boolean => group === '' && plural === 'namespaces';
const isInNamespace = ({ kind, namespace }: AdmissionRequest): boolean => namespace !== '' && !isNamespace(kind);
const isAccessReview = ({ kind }: AdmissionRequest): boolean =>
  kind.group === 'authorization.k8s.io' && kind.plural === 'localsubjectaccessreviews';

/** Controllers look for the cause, to stop trying. */
function terminating(request: AdmissionRequest): StatusError {
  const { namespace } = request;
  const plain = refused(
    request,
    `unable to create new content in namespace ${namespace} because it is being terminated`,
  );
  const cause = {
    reason: 'NamespaceTerminating',
    message: `namespace ${namespace} is being terminated`,
    field: 'metadata.namespace',
  };
  return new StatusError('Forbidden', plain.message, { details: { ...plain.details, causes: [cause] } });
}
