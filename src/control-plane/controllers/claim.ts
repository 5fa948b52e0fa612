/**
 * Makes ownership true before it is relied on: a controller takes on what its selector matches and nobody controls, and
 * lets go of what it controls but no longer matches. Source: controller_ref_manager.
 */
import type { LabelSelector } from '#api/generated/schema.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { apiVersionOf } from '#api/machinery/kind.ts';
import { matchesLabels, selectorFrom } from '#api/machinery/label-selector.ts';
import type { KubeObject, OwnerReference } from '#api/machinery/object.ts';
import { hasReason } from '#api/machinery/status.ts';
import { inParallel } from '#base/concurrency.ts';
import type { Client } from '#client/client.ts';
import type { Informer } from '#client/informer.ts';
import { NotYet } from './errors.ts';

/** Asked of each change of an object by each controller that owns its kind. */
export function controllerOf({ metadata }: KubeObject): OwnerReference | undefined {
  const { ownerReferences } = metadata;
  if (!ownerReferences) return undefined;
  for (const reference of ownerReferences) if (reference.controller) return reference;
  return undefined;
}

/** The index behind `claim`: whose objects are, and of each namespace those that are nobody's. */
export const claimantOf = (object: KubeObject): string =>
  controllerUidOf(object) ?? unclaimedIn(object.metadata.namespace);
const unclaimedIn = (namespace = ''): string => `none in ${namespace}`;

/** All that an owner may have to take on or let go. */
export const claimableBy = (owner: KubeObject, informer: Informer<KubeObject>): Pick<Claim, 'own' | 'nobodys'> => ({
  own: informer.by(claimantOf, owner.metadata.uid),
  nobodys: informer.by(claimantOf, unclaimedIn(owner.metadata.namespace)),
});

/** The index behind `owned`. */
export const controllerUidOf = (object: KubeObject): string | undefined => controllerOf(object)?.uid;

export function controllerReferenceTo(owner: KubeObject): OwnerReference {
  return {
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}

export interface Claim {
  owner: KubeObject;
  ownerKind: Kind;
  selector: LabelSelector | undefined;
  kind: Kind;
  /** What an adopted one gets, and one that is let go loses: nobody else would take it away. */
  finalizers?: readonly string[];
  /** All that the owner controls. */
  own: readonly KubeObject[];
  /** What nobody controls in its namespace. */
  nobodys: readonly KubeObject[];
  client: Pick<Client, 'get'>;
  patch(object: KubeObject, patch: unknown): Promise<KubeObject>;
}

/** Those that belong to the owner in the end. Adopting asks the server first whether the owner is still meant to live. */
export async function claimed(claim: Claim): Promise<KubeObject[]> {
  const { owner } = claim;
  const selector = selectorFrom(claim.selector);
  const kept: KubeObject[] = [];
  const released: KubeObject[] = [];
  const orphans: KubeObject[] = [];
  for (const object of claim.own)
    if (matchesLabels(selector, object.metadata.labels)) kept.push(object);
    else released.push(object);
  if (owner.metadata.deletionTimestamp) return kept;
  for (const object of claim.nobodys)
    if (!object.metadata.deletionTimestamp && matchesLabels(selector, object.metadata.labels)) orphans.push(object);
  await inParallel(released, (object) => release(claim, object));
  if (orphans.length > 0 && (await mayAdopt(claim))) {
    await inParallel(orphans, async (object) => {
      const adopted = await adopt(claim, object);
      if (adopted) kept.push(adopted);
    });
  }
  return kept;
}

async function mayAdopt({ owner, ownerKind, client }: Claim): Promise<boolean> {
  const { name, namespace, uid } = owner.metadata;
  const fresh = await client.get(ownerKind, { name, ...(namespace && { namespace }) });
  if (fresh.metadata.uid !== uid)
    throw new NotYet(
      `original ${ownerKind.kind} ${namespace}/${name} is gone: got uid ${fresh.metadata.uid}, wanted ${uid}`,
    );
  return !fresh.metadata.deletionTimestamp;
}

async function adopt(claim: Claim, object: KubeObject): Promise<KubeObject | undefined> {
  const reference = { ...controllerReferenceTo(claim.owner), apiVersion: apiVersionOf(claim.ownerKind) };
  const { finalizers } = claim;
  const patch = {
    metadata: { ownerReferences: [reference], ...(finalizers && { finalizers }), uid: object.metadata.uid },
  };
  try {
    return await claim.patch(object, patch);
  } catch (error) {
    if (hasReason(error, 'NotFound')) return undefined;
    throw error;
  }
}

async function release(claim: Claim, object: KubeObject): Promise<void> {
  const { finalizers, owner } = claim;
  const patch = {
    metadata: {
      ownerReferences: [{ $patch: 'delete', uid: owner.metadata.uid }],
      ...(finalizers && { '$deleteFromPrimitiveList/finalizers': finalizers }),
      uid: object.metadata.uid,
    },
  };
  try {
    await claim.patch(object, patch);
  } catch (error) {
    // Gone, or somebody else's by now (its uid differs, or it has no owners any more): nothing left to release.
    if (!hasReason(error, 'NotFound', 'Invalid')) throw error;
  }
}
