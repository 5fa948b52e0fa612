/**
 * What expressions in webhooks and policies are asked about: the values of their variables for one request. Source:
 * Kubernetes documentation, "Validating Admission Policy", variables; as upstream's CreateAdmissionRequest and
 * CreateNamespaceObject.
 */
import type { Namespace } from '#api/core/v1/namespace.ts';
import {
  type AuthorizationCheck,
  type AuthorizationDecision,
  authorizerVariables,
  Decisions,
} from '#api/machinery/cel/authorizer.ts';
import type { Activation } from '#api/machinery/cel/program.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import type { UserInfo } from '#client/transport.ts';
import { serviceAccountUserName } from '../../authentication/service-account-claims.ts';
import type { Attributes, Authorizer } from '../../authorization/authorizer.ts';
import type { AdmissionRequest } from '../define-admission.ts';
import { requestedType, shownAs, typeOf } from '../webhooks/shown-object.ts';

export interface Subject {
  request: AdmissionRequest;
  /** The request's objects as the matched kind, made once however many expressions look at them. */
  shown: KubeObject | undefined;
  shownOld: KubeObject | undefined;
  variables: Activation;
}

/** `as`: the kind that rules matched. */
export async function subjectOf(request: AdmissionRequest, as: Kind): Promise<Subject> {
  const shown = request.object && (await shownAs(request.object, request, as));
  const shownOld = request.old && (await shownAs(request.old, request, as));
  return {
    request,
    shown,
    shownOld,
    variables: {
      object: shown ?? null,
      oldObject: shownOld ?? null,
      request: requestVariable(request, as, shown ?? shownOld),
      namespaceObject: null,
    },
  };
}

const resourceOf = ({ group, version, plural }: Kind) => ({ group, version, resource: plural });

function requestVariable(request: AdmissionRequest, as: Kind, shown: KubeObject | undefined): object {
  const { kind, subresource, name, namespace, verb, user, dryRun } = request;
  const requested = requestedType(request);
  return {
    kind: typeFields(as === kind ? requested : typeOf(shown, as)),
    resource: resourceOf(as),
    ...(subresource && { subResource: subresource, requestSubResource: subresource }),
    requestKind: typeFields(requested),
    requestResource: resourceOf(kind),
    ...(name && { name }),
    ...(namespace && { namespace }),
    operation: verb.toUpperCase(),
    userInfo: {
      username: user.name,
      ...(user.uid && { uid: user.uid }),
      groups: user.groups,
      ...(user.extra && { extra: user.extra }),
    },
    dryRun,
    options: request.options?.() ?? null,
  };
}

const typeFields = ({ group, version, kind }: { group: string; version: string; kind: string }) => ({
  group,
  version,
  kind,
});

/** What expressions see of the namespace that the object is in. */
export function namespaceVariable({ metadata, spec, status }: Namespace): object {
  const { ownerReferences: _, managedFields: __, ...shown } = metadata;
  return { metadata: shown, spec, status };
}

/** Of one request, for all the expressions that are asked about it: nothing is asked twice. */
export const decisionsFor = (user: UserInfo, authorizer: Authorizer): Decisions =>
  new Decisions(async (check): Promise<AuthorizationDecision> => {
    try {
      const { decision, reason, error } = await authorizer.authorize(attributesOf(check, user));
      return { allowed: decision === 'allow', reason, ...(error !== undefined && { error }) };
    } catch (error) {
      return { allowed: false, reason: '', error: error instanceof Error ? error.message : String(error) };
    }
  });

function attributesOf(check: AuthorizationCheck, asker: UserInfo): Attributes {
  const { serviceAccount, verb, path, group, resource, subresource, namespace, name } = check;
  const user = serviceAccount ? serviceAccountUser(serviceAccount) : asker;
  if (path !== undefined) return { user, verb, path };
  const { fieldSelector, labelSelector } = check;
  return {
    user,
    verb,
    group,
    version: '*',
    resource,
    subresource,
    namespace,
    name,
    ...(fieldSelector && { fieldSelector }),
    ...(labelSelector && { labelSelector }),
  };
}

const serviceAccountUser = ({ namespace, name }: { namespace: string; name: string }): UserInfo => ({
  name: serviceAccountUserName(namespace, name),
  groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
});

/** The variable `authorizer`, for expressions that have it. */
export const authorizerFor = (decisions: Decisions, request: AdmissionRequest): Activation => {
  const { kind, subresource, namespace, name } = request;
  return authorizerVariables(decisions, { group: kind.group, resource: kind.plural, subresource, namespace, name });
};
