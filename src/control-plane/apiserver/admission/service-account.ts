/**
 * Every pod runs as a ServiceAccount that exists, `default` unless it names one, and finds a token of it, the cluster's CA
 * and its namespace under one path. Source: documentation, "Configure Service Accounts for Pods".
 */
import type { Pod } from '#api/core/v1/pod.ts';
import { isMirrorPod, secretNamesOf } from '#api/core/v1/pod-references.ts';
import { ServiceAccount } from '#api/core/v1/service-account.ts';
import type { Container, Volume, VolumeMount } from '#api/generated/schema.ts';
import { withParts } from '#api/machinery/object.ts';
import { StatusError } from '#api/machinery/status.ts';
import { sleep } from '#base/clock.ts';
import { deepFreeze } from '#base/deep-freeze.ts';
import { type Random, randomSuffix } from '#base/random.ts';
import { type Soon, soon } from '#base/soon.ts';
import { type AdmissionRequest, type AdmissionServices, defineAdmission, refused } from './define-admission.ts';
import { unmountableByEphemeral, unmountableSecret } from './mountable-secrets.ts';

const DEFAULT_NAME = 'default';
const MOUNT_PATH = '/var/run/secrets/kubernetes.io/serviceaccount';
const VOLUME_PREFIX = 'kube-api-access-';
// 3607 and not 3600, so that a token of this plugin is told from one that somebody asked for.
const TOKEN_SECONDS = 3607;
// The controller makes `default` soon after the namespace; a pod that comes at once is let wait for it.
const ATTEMPTS_FOR_DEFAULT = 10;
const ATTEMPT_EVERY_MS = 100;

export const serviceAccountPlugin = defineAdmission<Pod>({
  name: 'ServiceAccount',
  on: { resources: [{ group: '', plural: 'pods' }], verbs: ['create'] },
  reads: [ServiceAccount],

  mutate(pod, request, services) {
    if (isMirrorPod(pod)) return pod;
    const serviceAccountName = pod.spec.serviceAccountName || DEFAULT_NAME;
    return soon(accountOf(serviceAccountName, request, services), (account) => {
      const naming = { serviceAccountName, serviceAccount: serviceAccountName };
      const named = withParts(pod, { spec: Object.assign({}, pod.spec, naming) });
      const mounted = wantsToken(pod, account) ? withToken(named, tokenVolumeOf(account, services.random)) : named;
      if (pod.spec.imagePullSecrets?.length || !account.imagePullSecrets?.length) return mounted;
      return { ...mounted, spec: { ...mounted.spec, imagePullSecrets: account.imagePullSecrets } };
    });
  },

  validate(request, services) {
    const { object: pod } = request;
    if (!pod) return;
    if (isMirrorPod(pod)) return refuseMirrorWithSecrets(pod, request);
    const { serviceAccountName } = pod.spec;
    if (!serviceAccountName) throw noAccount(request, pod);
    return soon(accountOf(serviceAccountName, request, services), (account) => {
      const refusal = unmountableSecret(pod, account);
      if (refusal) throw refused(request, refusal);
    });
  },
});

/** Ephemeral containers come later, and are held to the same secrets. As upstream, an error that has no reason. */
export const serviceAccountOfEphemeral = defineAdmission<Pod>({
  name: 'ServiceAccount',
  on: { resources: [{ group: '', plural: 'pods', subresource: 'ephemeralcontainers' }], verbs: ['update'] },
  reads: [ServiceAccount],

  async validate(request, services) {
    const { object: pod } = request;
    if (!pod) return;
    const { serviceAccountName } = pod.spec;
    if (!serviceAccountName) throw noAccount(request, pod);
    const refusal = unmountableByEphemeral(pod, await accountOf(serviceAccountName, request, services));
    if (refusal) throw new StatusError('', refusal);
  },
});

const noAccount = (request: AdmissionRequest, { metadata }: Pod): StatusError =>
  refused(request, `no service account specified for pod ${request.namespace}/${metadata.name}`);

function accountOf(name: string, request: AdmissionRequest, services: AdmissionServices): Soon<ServiceAccount> {
  const copy = services.informers.for(ServiceAccount).get(`${request.namespace}/${name}`);
  return copy ?? storedAccountOf(name, request, services);
}

async function storedAccountOf(name: string, request: AdmissionRequest, { live, clock }: AdmissionServices) {
  const { namespace } = request;
  for (let attempt = name === DEFAULT_NAME ? ATTEMPTS_FOR_DEFAULT : 1; ; attempt--) {
    const account = await live(ServiceAccount, { namespace, name });
    if (account) return account;
    if (attempt <= 1)
      throw refused(
        request,
        `error looking up service account ${namespace}/${name}: serviceaccount ${JSON.stringify(name)} not found`,
      );
    await sleep(clock, ATTEMPT_EVERY_MS);
  }
}

const wantsToken = ({ spec }: Pod, account: ServiceAccount): boolean =>
  spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true;

const tokenVolumes = new WeakMap<ServiceAccount, Volume>();

/** Its name has to be the only one in its pod. All pods of an account have the same: those of one template then share what they are. */
function tokenVolumeOf(account: ServiceAccount, random: Random): Volume {
  const volume = tokenVolumes.get(account) ?? deepFreeze(tokenVolume(`${VOLUME_PREFIX}${randomSuffix(random)}`));
  tokenVolumes.set(account, volume);
  return volume;
}

function withToken(pod: Pod, token: Volume): Pod {
  const { volumes = [], initContainers, containers } = pod.spec;
  const present = volumes.find(({ name }) => name.startsWith(VOLUME_PREFIX));
  const name = present?.name ?? token.name;
  const mount: VolumeMount = { name, readOnly: true, mountPath: MOUNT_PATH };
  const isNeeded = [...(initContainers ?? []), ...containers].some((container) => !hasMount(container));
  const addMount = (container: Container): Container =>
    hasMount(container)
      ? container
      : Object.assign({}, container, { volumeMounts: [...(container.volumeMounts ?? []), mount] });
  return withParts(pod, {
    spec: Object.assign({}, pod.spec, {
      containers: containers.map(addMount),
      ...(initContainers && { initContainers: initContainers.map(addMount) }),
      ...(!present && isNeeded && { volumes: [...volumes, token] }),
    }),
  });
}

const hasMount = ({ volumeMounts = [] }: Container): boolean =>
  volumeMounts.some(({ mountPath }) => mountPath === MOUNT_PATH);

const tokenVolume = (name: string): Volume => ({
  name,
  projected: {
    defaultMode: 0o644,
    sources: [
      { serviceAccountToken: { path: 'token', expirationSeconds: TOKEN_SECONDS } },
      { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
      {
        downwardAPI: {
          items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
        },
      },
    ],
  },
});

/** A kubelet mirrors what runs on its machine; the API must not give it secrets by that way. */
function refuseMirrorWithSecrets(pod: Pod, request: AdmissionRequest): void {
  if (pod.spec.serviceAccountName) throw refused(request, 'a mirror pod may not reference service accounts');
  if (secretNamesOf(pod).length > 0) throw refused(request, 'a mirror pod may not reference secrets');
  const projections = (pod.spec.volumes ?? []).flatMap(({ projected }) => projected?.sources ?? []);
  if (projections.some(({ serviceAccountToken }) => serviceAccountToken))
    throw refused(request, 'a mirror pod may not use ServiceAccountToken volume projections');
}
