/** What a volume claim uses of a quota: itself and storage, in all and of its class. Source: "Resource Quotas". */
import type { PersistentVolumeClaim } from '#api/generated/schema.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { maxQuantity, quantityValue } from '#api/machinery/quantity.ts';
import type { QuotaEvaluator } from './evaluator.ts';
import { selectsClass } from './scopes.ts';

const OF_CLASS = '.storageclass.storage.k8s.io/';
const AMOUNTS = ['persistentvolumeclaims', 'requests.storage'];
const COUNT = 'count/persistentvolumeclaims';
const CLASS_ANNOTATION = 'volume.beta.kubernetes.io/storage-class';

export const claimEvaluator: QuotaEvaluator = {
  hasScopes: true,
  handles({ subresource, next, current }) {
    if (subresource === '') return true;
    if (subresource !== 'status' || !current) return false;
    const [now, before] = [next as PersistentVolumeClaim, current as PersistentVolumeClaim];
    const storage = (claim: PersistentVolumeClaim) => claim.status?.allocatedResources?.['storage'];
    return storage(now) !== storage(before) || !isEqual(attributesClassesOf(now), attributesClassesOf(before));
  },
  isUsed: (name) =>
    name === COUNT || AMOUNTS.includes(name) || AMOUNTS.some((amount) => name.endsWith(OF_CLASS + amount)),
  matchesScope: (object, selector) =>
    selector.scopeName === 'VolumeAttributesClass' &&
    selectsClass(selector, attributesClassesOf(object as PersistentVolumeClaim)),
  usage(object) {
    const claim = object as PersistentVolumeClaim;
    const storage = storageOf(claim);
    const amounts = { persistentvolumeclaims: '1', ...(storage !== undefined && { 'requests.storage': storage }) };
    const className = claim.metadata.annotations?.[CLASS_ANNOTATION] ?? claim.spec.storageClassName;
    if (!className) return { [COUNT]: '1', ...amounts };
    const ofClass = Object.entries(amounts).map(([name, amount]) => [`${className}${OF_CLASS}${name}`, amount]);
    return { [COUNT]: '1', ...amounts, ...Object.fromEntries(ofClass) };
  },
};

/** A growth that failed may have got more already than is asked for now. */
function storageOf({ spec, status }: PersistentVolumeClaim): string | undefined {
  const asked = spec.resources?.requests?.['storage'];
  if (asked === undefined) return undefined;
  const amount = maxQuantity(asked, status?.allocatedResources?.['storage'] ?? asked);
  return amount.endsWith('m') ? String(quantityValue(amount)) : amount; // in whole bytes
}

/** The one that is asked for, the one that is in use, and the one that is being changed to. */
const attributesClassesOf = ({ spec, status }: PersistentVolumeClaim): string[] =>
  [
    ...new Set([
      spec.volumeAttributesClassName,
      status?.currentVolumeAttributesClassName,
      status?.modifyVolumeStatus?.targetVolumeAttributesClassName,
    ]),
  ].filter((name): name is string => !!name);
