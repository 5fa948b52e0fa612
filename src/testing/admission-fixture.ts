/** Every admission plugin in its usual chain, over a small cluster that tests may add to. */
import { bodies, catalog } from '#api/catalog.ts';
import { Pod } from '#api/core/v1/pod.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { createKindRegistry } from '#api/machinery/kind-registry.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { deepFreeze } from '#base/deep-freeze.ts';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { seededRandom } from '#base/random.ts';
import type { UserInfo } from '#client/transport.ts';
import { AdmissionChain, defaultAdmission } from '#control-plane/apiserver/admission/chain.ts';
import { type ChosenPlugins, NOTHING_CHOSEN } from '#control-plane/apiserver/admission/chosen-plugins.ts';
import type { AdmissionRequest, AdmissionServices } from '#control-plane/apiserver/admission/define-admission.ts';
import { type Authorizer, noOpinion } from '#control-plane/apiserver/authorization/authorizer.ts';
import { type FixedInformers, fixedInformers } from './fixed-informers.ts';

export const alice: UserInfo = { name: 'alice', groups: ['system:authenticated'] };
export const kubelet: UserInfo = { name: 'system:node:one', groups: ['system:nodes', 'system:authenticated'] };

export const object = (kind: string, name: string, more: object = {}): KubeObject =>
  ({ apiVersion: 'v1', kind, metadata: { name, uid: `${name}-uid` }, ...more }) as unknown as KubeObject;
export const inA = (kind: string, name: string, { metadata = {}, ...more }: { metadata?: object } = {}): KubeObject =>
  object(kind, name, { metadata: { name, namespace: 'a', uid: `${name}-uid`, ...metadata }, ...more });
export const pod = (spec: object = {}, metadata: object = {}): Pod =>
  inA('Pod', 'web', { metadata, spec: { containers: [{ name: 'c', image: 'i' }], ...spec } } as object) as Pod;
export const namespace = (name: string, phase = 'Active') => object('Namespace', name, { status: { phase } });
export const priorityClass = (name: string, value: number, more: object = {}) => ({
  ...object('PriorityClass', name, { value, preemptionPolicy: 'PreemptLowerPriority', ...more }),
  apiVersion: 'scheduling.k8s.io/v1',
});

/** What plugins get to work with that ask nobody. */
export const withoutNetwork: Pick<AdmissionServices, 'log' | 'kinds' | 'endpoint'> = {
  log: silentLog,
  kinds: createKindRegistry(catalog, bodies),
  endpoint: async ({ name }) => ({ problem: `service ${JSON.stringify(name)} not found` }),
};

export interface AdmissionFixture {
  cluster: FixedInformers;
  clock: ManualClock;
  /** What would be stored: as plugins have changed it. Rejects when one of them refuses it. */
  admit<T extends KubeObject>(kind: Kind<T>, more: Partial<AdmissionRequest<T>>): Promise<T>;
  admitPod(pod: Pod, more?: Partial<AdmissionRequest<Pod>>): Promise<Pod>;
}

/** `chosen`: other plugins than those that run by default. */
export function admissionFixture(
  chosen: Partial<ChosenPlugins> = {},
  authorizer: Authorizer = { authorize: () => noOpinion() },
): AdmissionFixture {
  const clock = new ManualClock();
  const cluster = fixedInformers([
    namespace('a'),
    namespace('going', 'Terminating'),
    inA('ServiceAccount', 'default'),
    inA('ServiceAccount', 'robot', { imagePullSecrets: [{ name: 'pull' }] } as object),
    inA('ServiceAccount', 'quiet', { automountServiceAccountToken: false } as object),
    object('Node', 'one'),
    priorityClass('high', 1000),
  ]);
  const services: AdmissionServices = {
    informers: cluster,
    live: cluster.live,
    authorizer,
    clock,
    random: seededRandom(1),
    ...withoutNetwork,
  };
  const rbac = { policyRulesOf: () => [], rulesBehind: () => [] };
  const chain = new AdmissionChain(defaultAdmission({ rbac, chosen: { ...NOTHING_CHOSEN, ...chosen } }), services);
  async function admit<T extends KubeObject>(kind: Kind<T>, more: Partial<AdmissionRequest<T>>): Promise<T> {
    const wanted = request(kind, { ...more, ...(more.object && { object: deepFreeze(more.object) }) });
    const admitted = await chain.mutate(wanted);
    await chain.validate({ ...wanted, object: admitted });
    return admitted as T;
  }
  return { cluster, clock, admit, admitPod: (one, more = {}) => admit(Pod, { object: one, ...more }) };
}

const request = <T extends KubeObject>(kind: Kind<T>, more: Partial<AdmissionRequest<T>>): AdmissionRequest<T> => ({
  verb: 'create',
  kind,
  namespace: kind.scope === 'Namespaced' ? 'a' : '',
  name: more.object?.metadata.name ?? more.old?.metadata.name ?? '',
  subresource: '',
  user: alice,
  dryRun: false,
  object: undefined,
  old: undefined,
  ...more,
});
