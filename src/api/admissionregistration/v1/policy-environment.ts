/**
 * What the expressions of policies and matchConditions can name. Source: Kubernetes documentation, "Validating Admission
 * Policy", variables; types as upstream's BuildRequestType and BuildNamespaceType.
 */
import { nullable } from '#api/machinery/cel/adapt.ts';
import { authorizerDeclarations } from '#api/machinery/cel/authorizer.ts';
import {
  boolType,
  type DeclaredType,
  dynType,
  field,
  intType,
  listType,
  mapType,
  objectType,
  stringType,
  timestampType,
} from '#api/machinery/cel/declared-type.ts';
import { type Environment, environment } from '#api/machinery/cel/environment.ts';
import { jsonPatch, kubernetesLibraries } from '#api/machinery/cel/libraries/kubernetes-libraries.ts';
import { patchTypes } from '#api/machinery/cel/patch-types.ts';

export interface Declarations {
  hasParams: boolean;
  hasAuthorizer: boolean;
  /** `Object{}` and `JSONPatch{}`. */
  hasPatchTypes?: boolean;
}

const made = new Map<string, Environment>();

/** Made once for each combination. */
export function policyEnvironment(declarations: Declarations): Environment {
  const { hasParams, hasAuthorizer, hasPatchTypes = false } = declarations;
  const key = `${hasParams} ${hasAuthorizer} ${hasPatchTypes}`;
  const known = made.get(key);
  if (known) return known;
  const env = environment({
    variables: {
      object: dynType,
      oldObject: dynType,
      namespaceObject: orNull(namespaceType()),
      request: requestType(),
      ...(hasParams && { params: dynType }),
      ...(hasAuthorizer && authorizerDeclarations),
    },
    ...(hasPatchTypes && { types: [patchTypes], libraries: [...kubernetesLibraries, jsonPatch] }),
  });
  made.set(key, env);
  return env;
}

/** In place of dyn, where it is known what a policy is for. */
export const typedEnvironment = (types: {
  object: DeclaredType | undefined;
  params: DeclaredType | undefined;
  hasParams: boolean;
}): Environment =>
  policyEnvironment({ hasParams: types.hasParams, hasAuthorizer: true }).extend({
    variables: {
      ...(types.object && { object: types.object, oldObject: types.object }),
      ...(types.params && { params: types.params }),
    },
  });

/** Objects of the cluster have no namespace. */
const orNull = (type: DeclaredType): DeclaredType => ({ ...type, adapt: nullable(type.adapt) });

type Fields = Readonly<Record<string, DeclaredType>>;

const object = (name: string, required: Fields, optional: Fields = {}): DeclaredType =>
  objectType(
    name,
    Object.fromEntries([
      ...Object.entries(required).map(([key, type]) => [key, field(type, true)]),
      ...Object.entries(optional).map(([key, type]) => [key, field(type)]),
    ]),
  );

function requestType(): DeclaredType {
  const kind = object('kubernetes.GroupVersionKind', { group: stringType, version: stringType, kind: stringType });
  const resource = object('kubernetes.GroupVersionResource', {
    group: stringType,
    version: stringType,
    resource: stringType,
  });
  const strings = listType(stringType);
  const userInfo = object(
    'kubernetes.UserInfo',
    {},
    { username: stringType, uid: stringType, groups: strings, extra: mapType(stringType, strings) },
  );
  return object(
    'kubernetes.AdmissionRequest',
    {
      kind,
      resource,
      requestKind: kind,
      requestResource: resource,
      name: stringType,
      operation: stringType,
      userInfo,
    },
    {
      subResource: stringType,
      requestSubResource: stringType,
      namespace: stringType,
      dryRun: boolType,
      options: dynType,
    },
  );
}

function namespaceType(): DeclaredType {
  const strings = listType(stringType);
  const texts = mapType(stringType, stringType);
  const condition = object('kubernetes.NamespaceCondition', {
    status: stringType,
    type: stringType,
    lastTransitionTime: timestampType,
    message: stringType,
    reason: stringType,
  });
  const metadata = object('kubernetes.NamespaceMetadata', {
    name: stringType,
    generateName: stringType,
    namespace: stringType,
    labels: texts,
    annotations: texts,
    UID: stringType, // upstream's own spelling; the object has `uid`, so there never is one
    creationTimestamp: timestampType,
    deletionGracePeriodSeconds: intType,
    deletionTimestamp: timestampType,
    generation: intType,
    resourceVersion: stringType,
    finalizers: strings,
  });
  return object('kubernetes.Namespace', {
    metadata,
    spec: object('kubernetes.NamespaceSpec', { finalizers: strings }),
    status: object('kubernetes.NamespaceStatus', { conditions: listType(condition), phase: stringType }),
  });
}
