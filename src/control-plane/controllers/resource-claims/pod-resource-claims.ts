/** Makes the claims for devices that pods get from a template, and says in the pod's status which they are. Source: KEP-3063. */
import { Pod } from '#api/core/v1/pod.ts';
import { isTerminal } from '#api/core/v1/pod-conditions.ts';
import type { PodResourceClaim } from '#api/generated/schema.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { StatusError } from '#api/machinery/status.ts';
import { ResourceClaim } from '#api/resource/v1/resource-claim.ts';
import { ResourceClaimTemplate } from '#api/resource/v1/resource-claim-template.ts';
import { defineController, type ReconcileContext, settled, watching } from '../define-controller.ts';
import { NotYet } from '../errors.ts';

const writes = { create: [ResourceClaim], patch: [Pod], status: [ResourceClaim] } as const;
type Read = Kind<Pod> | Kind<ResourceClaim> | Kind<ResourceClaimTemplate>;
type Context = ReconcileContext<never, Read, typeof writes>;

/** Which claim of the pod it was made for. */
const POD_CLAIM_NAME = 'resource.kubernetes.io/pod-claim-name';
/** A name has 63 characters; the hyphen and five of them are the server's. */
const MOST_BASE = 57;

export const podResourceClaims = defineController({
  name: 'resourceclaim-controller',
  serviceAccount: 'resource-claim-controller',
  eventSource: 'resource_claim',
  reconciles: Pod,
  whenNew: hasClaims,
  when: (now, before) => hasClaims(now) && now.spec.nodeName !== before.spec.nodeName,
  watches: [
    watching(
      ResourceClaim,
      ({ metadata }) =>
        (metadata.ownerReferences ?? [])
          .filter(({ kind, controller }) => kind === 'Pod' && controller)
          .map(({ name }) => `${metadata.namespace}/${name}`),
      () => false,
    ),
    watching(ResourceClaimTemplate, ({ metadata }, cached) =>
      cached(Pod)
        .inNamespace(metadata.namespace ?? '')
        .filter((pod) => waitsFor(pod as Pod, metadata.name))
        .map((pod) => `${metadata.namespace}/${pod.metadata.name}`),
    ),
  ],
  writes,
  also: [
    { apiGroups: [''], resources: ['pods/finalizers'], verbs: ['update'] },
    { apiGroups: [''], resources: ['pods/status'], verbs: ['update', 'patch'] },
    { apiGroups: ['resource.k8s.io'], resources: ['resourceclaims/binding'], verbs: ['update', 'patch'] },
  ],

  async reconcile(pod, context) {
    if (pod.metadata.deletionTimestamp || isTerminal(pod)) return settled;
    const made: { name: string; resourceClaimName: string }[] = [];
    for (const podClaim of pod.spec.resourceClaims ?? []) {
      const name = await ensureClaim(pod, podClaim, context);
      if (name !== undefined) made.push({ name: podClaim.name, resourceClaimName: name });
    }
    const { name, namespace = '', uid } = pod.metadata;
    if (made.length > 0) {
      const patch = { metadata: { uid }, status: { resourceClaimStatuses: made } };
      await context.api.patch(Pod, { name, namespace, subresource: 'status' }, { type: 'strategic', patch });
      return settled;
    }
    if (pod.spec.nodeName) await reserveAll(pod, context);
    return settled;
  },
});

/** Others have nothing to do with it; a pod's claims never change. */
function hasClaims({ spec }: Pod): boolean {
  return (spec.resourceClaims?.length ?? 0) > 0;
}

const waitsFor = ({ spec, metadata }: Pod, template: string): boolean =>
  !metadata.deletionTimestamp &&
  Boolean(spec.resourceClaims?.some(({ resourceClaimTemplateName }) => resourceClaimTemplateName === template));

/** The name of a claim that the pod's status does not say yet. */
async function ensureClaim(pod: Pod, podClaim: PodResourceClaim, context: Context): Promise<string | undefined> {
  const { cached } = context;
  const { namespace = '' } = pod.metadata;
  const template = podClaim.resourceClaimTemplateName;
  if (!template) return undefined;
  const said = pod.status?.resourceClaimStatuses?.find(({ name }) => name === podClaim.name);
  if (said && said.resourceClaimName === undefined) return undefined; // none is needed
  const known = said && cached(ResourceClaim).get(`${namespace}/${said.resourceClaimName}`);
  if (known && isOwnedBy(known, pod)) return undefined;
  const orphan = cached(ResourceClaim)
    .inNamespace(namespace)
    .find((claim) => isOwnedBy(claim, pod) && claim.metadata.annotations?.[POD_CLAIM_NAME] === podClaim.name);
  return (orphan ?? (await makeClaim(pod, { podClaim, template }, context))).metadata.name;
}

async function makeClaim(
  pod: Pod,
  { podClaim, template: templateName }: { podClaim: PodResourceClaim; template: string },
  { cached, api, events }: Context,
): Promise<ResourceClaim> {
  const { name, namespace = '', uid } = pod.metadata;
  const failed = (why: string): never => {
    events.warning(pod, 'FailedResourceClaimCreation', `PodResourceClaim ${podClaim.name}: ${why}`);
    throw new NotYet(`pod ${namespace}/${name}, PodResourceClaim ${podClaim.name}: ${why}`);
  };
  const template = cached(ResourceClaimTemplate).get(`${namespace}/${templateName}`);
  if (!template)
    return failed(
      `resource claim template "${templateName}": resourceclaimtemplate.resource.k8s.io "${templateName}" not found`,
    );
  const { labels, annotations } = template.spec.metadata ?? {};
  const owner = { apiVersion: 'v1', kind: 'Pod', name, uid, controller: true };
  try {
    return await api.create(ResourceClaim, {
      metadata: {
        generateName: generateNameFor(name, podClaim.name),
        namespace,
        ownerReferences: [owner],
        annotations: { ...annotations, [POD_CLAIM_NAME]: podClaim.name },
        ...(labels && { labels }),
      },
      spec: template.spec.spec,
    });
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    return failed(`create ResourceClaim : ${error.message}`);
  }
}

/** Of names that are too long together each is shortened by its share. */
function generateNameFor(podName: string, claimName: string): string {
  const whole = `${podName}-${claimName}-`;
  if (whole.length <= MOST_BASE) return whole;
  const shorter = (name: string, length: number) => name.slice(0, Math.floor((name.length * MOST_BASE) / length));
  const first = shorter(podName, whole.length);
  return `${first}-${shorter(claimName, whole.length)}`;
}

/** Whoever gave the pod its node has not reserved its claims: a user, or another scheduler. */
async function reserveAll(pod: Pod, { cached, api }: Context): Promise<void> {
  const { name, namespace, uid } = pod.metadata;
  for (const { name: of, resourceClaimName } of pod.spec.resourceClaims ?? []) {
    const said = pod.status?.resourceClaimStatuses?.find((status) => status.name === of)?.resourceClaimName;
    const claim = cached(ResourceClaim).get(`${namespace}/${resourceClaimName ?? said}`);
    if (!claim?.status?.allocation || claim.status.reservedFor?.some((each) => each.uid === uid)) continue;
    const reservedFor = [...(claim.status.reservedFor ?? []), { resource: 'pods', name, uid }];
    await api.updateStatus(claim, { ...claim.status, reservedFor });
  }
}

export const isOwnedBy = ({ metadata }: ResourceClaim, pod: Pod): boolean =>
  metadata.ownerReferences?.some(({ controller, uid }) => controller && uid === pod.metadata.uid) ?? false;
