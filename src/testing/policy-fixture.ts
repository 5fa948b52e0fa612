/** Admission policies over objects that stand still: what they make of a request. */
import { bodies, catalog } from '#api/catalog.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { createKindRegistry } from '#api/machinery/kind-registry.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { deepFreeze } from '#base/deep-freeze.ts';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { seededRandom } from '#base/random.ts';
import { AdmissionChain } from '#control-plane/apiserver/admission/chain.ts';
import type { AdmissionRequest } from '#control-plane/apiserver/admission/define-admission.ts';
import { mutatingPolicies } from '#control-plane/apiserver/admission/policies/mutating-policies.ts';
import { validatingPolicies } from '#control-plane/apiserver/admission/policies/validating-policies.ts';
import {
  type Attributes,
  allow,
  isResourceRequest,
  noOpinion,
} from '#control-plane/apiserver/authorization/authorizer.ts';
import { fixedInformers } from './fixed-informers.ts';

export const GROUP = 'admissionregistration.k8s.io/v1';
export const anything = { apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*'] };
export const kinds = createKindRegistry(catalog, bodies);

export type Objects = readonly object[];

export const made = (kind: string, name: string, spec: object): KubeObject => {
  const object = { apiVersion: GROUP, kind, metadata: { name, uid: `${name}-uid` }, spec };
  const { defaults } = kinds.byKind('admissionregistration.k8s.io', 'v1', kind)!;
  return defaults(object as unknown as KubeObject);
};
export const policy = (spec: object, name = 'p') =>
  made('ValidatingAdmissionPolicy', name, { matchConstraints: { resourceRules: [anything] }, ...spec });
export const validating = (...expressions: string[]) => ({
  validations: expressions.map((expression) => ({ expression })),
});
export const binding = (spec: object = {}, name = 'b') =>
  made('ValidatingAdmissionPolicyBinding', name, { policyName: 'p', validationActions: ['Deny'], ...spec });
export const mutation = (spec: object, name = 'm') =>
  made('MutatingAdmissionPolicy', name, {
    matchConstraints: { resourceRules: [anything] },
    reinvocationPolicy: 'Never',
    ...spec,
  });
export const jsonPatch = (expression: string) => ({
  mutations: [{ patchType: 'JSONPatch', jsonPatch: { expression } }],
});
export const applying = (expression: string) => ({
  mutations: [{ patchType: 'ApplyConfiguration', applyConfiguration: { expression } }],
});
export const mutationBinding = (spec: object = {}, name = 'mb') =>
  made('MutatingAdmissionPolicyBinding', name, { policyName: 'm', ...spec });

export const namespace = {
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name: 'a', uid: 'a-uid', labels: { team: 'red' } },
};
export const configMap = (name: string, data: Record<string, string>, more: object = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'a', uid: `${name}-uid`, ...more },
  data,
});
export const deployment = (replicas: number, more: object = {}) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'd', namespace: 'a', ...more },
  spec: {
    replicas,
    template: {
      spec: {
        containers: [
          { name: 'web', image: 'web:1' },
          { name: 'log', image: 'log:1' },
        ],
      },
    },
  },
});

interface Admitted {
  object: KubeObject;
  warnings: string[];
  annotations: Record<string, string>;
}

export function cluster(objects: Objects) {
  const informers = fixedInformers([namespace, ...objects] as KubeObject[]);
  const asked: Attributes[] = [];
  const chain = new AdmissionChain([mutatingPolicies(), validatingPolicies()], {
    informers,
    live: informers.live,
    authorizer: {
      async authorize(attributes) {
        asked.push(attributes);
        return isResourceRequest(attributes) && attributes.verb === 'create' ? allow('because') : noOpinion();
      },
    },
    clock: new ManualClock(),
    random: seededRandom(1),
    log: silentLog,
    kinds,
    endpoint: async () => ({ problem: 'none' }),
  });
  async function admit(kind: Kind, object: object, more: Partial<AdmissionRequest> = {}): Promise<Admitted> {
    const warnings: string[] = [];
    const annotations: Record<string, string> = {};
    const whole = deepFreeze(kind.defaults(object as KubeObject));
    const request: AdmissionRequest = {
      verb: 'create',
      kind,
      namespace: kind.scope === 'Namespaced' ? 'a' : '',
      name: whole.metadata.name,
      subresource: '',
      user: { name: 'alice', groups: ['system:authenticated'] },
      dryRun: false,
      object: whole,
      old: undefined,
      warn: (text) => void warnings.push(text),
      annotate: (key, value) => Object.assign(annotations, { [key]: value }),
      ...more,
    };
    const changed = await chain.mutate(request);
    await chain.validate({ ...request, object: changed });
    return { object: changed as KubeObject, warnings, annotations };
  }
  return { admit, asked, informers, checks: chain.policyChecks };
}

export const bound = (spec: object, bindingSpec: object = {}, more: Objects = []) =>
  cluster([policy(spec), binding(bindingSpec), ...more]);
