/**
 * For whom a kubelet may have tokens: whom a volume of the pod names, itself or through the CSI driver behind it, and
 * whom an administrator granted by the verb request-serviceaccounts-token-audience. Source: documentation,
 * "NodeRestriction", and KEP-4935.
 */
import type { TokenRequest } from '#api/authentication/v1/token-request.ts';
import { PersistentVolume } from '#api/core/v1/persistent-volume.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import type { Pod, Volume } from '#api/generated/schema.ts';
import { notFound, StatusError } from '#api/machinery/status.ts';
import { CSIDriver } from '#api/storage/v1/csi-driver.ts';
import type { LiveLookup } from '../live-lookup.ts';
import type { AdmissionRequest, AdmissionServices } from './define-admission.ts';

const VERB = 'request-serviceaccounts-token-audience';

/** Why not; undefined: it may. */
export async function audienceRefusal(
  { user, namespace, name, object }: AdmissionRequest,
  pod: Pod,
  { live, authorizer }: AdmissionServices,
): Promise<string | undefined> {
  const { audiences = [] } = (object as unknown as TokenRequest).spec;
  if (audiences.length > 1) return 'node may only request 0 or 1 audiences';
  const [audience = ''] = audiences;
  const quoted = JSON.stringify(audience);
  const found = await isNamedBy(pod, audience, live);
  if (found === true) return undefined;
  if (found.length > 0)
    return `error validating audience ${quoted}: ${found.length === 1 ? found[0] : `[${found.join(', ')}]`}`;
  const wish = { user, verb: VERB, group: '', version: 'v1', resource: audience, subresource: '', namespace, name };
  const { decision, error } = await authorizer.authorize(wish);
  if (decision === 'allow') return undefined;
  return error === undefined
    ? `audience ${quoted} not found in pod spec volume, ${user.name} is not authorized to request tokens for this audience`
    : `audience ${quoted} not found in pod spec volume, error authorizing ${user.name} to request tokens for this audience: ${error}`;
}

/** Else what was missing on the way to an answer. */
async function isNamedBy(pod: Pod, audience: string, live: LiveLookup): Promise<true | string[]> {
  const problems = new Set<string>();
  for (const volume of pod.spec.volumes ?? []) {
    const sources = volume.projected?.sources ?? [];
    if (sources.some(({ serviceAccountToken: token }) => token && (token.audience ?? '') === audience)) return true;
    try {
      if (await isDriverToken(pod, volume, { audience, live })) return true;
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      problems.add(error.message);
    }
  }
  return [...problems];
}

async function isDriverToken(
  pod: Pod,
  volume: Volume,
  { audience, live }: { audience: string; live: LiveLookup },
): Promise<boolean> {
  const claim = volume.ephemeral?.volumeClaimTemplate
    ? `${pod.metadata.name}-${volume.name}`
    : volume.persistentVolumeClaim?.claimName;
  const { namespace = '' } = pod.metadata;
  const driver = claim === undefined ? volume.csi?.driver : await driverOfClaim({ namespace, name: claim }, live);
  if (!driver) return false;
  const found = await live(CSIDriver, { name: driver });
  if (!found) throw notFound({ group: 'storage.k8s.io', plural: 'csidriver' }, driver);
  return (found.spec.tokenRequests ?? []).some((one) => one.audience === audience);
}

async function driverOfClaim(at: { namespace: string; name: string }, live: LiveLookup): Promise<string | undefined> {
  const claim = await live(PersistentVolumeClaim, at);
  if (!claim) throw notFound({ group: '', plural: 'persistentvolumeclaim' }, at.name);
  const name = claim.spec.volumeName ?? '';
  const volume = await live(PersistentVolume, { name });
  if (!volume) throw notFound({ group: '', plural: 'persistentvolume' }, name);
  return volume.spec.csi?.driver;
}
