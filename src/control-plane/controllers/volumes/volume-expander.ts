/** Tells of claims that want more than they have: volumes grow by the work of their own drivers. Source: KEP-1790. */
import { PersistentVolume } from '#api/core/v1/persistent-volume.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { requestOf } from '#api/core/v1/persistent-volume-matching.ts';
import { compareQuantities } from '#api/machinery/quantity.ts';
import { defineController, settled, watching } from '../define-controller.ts';
import { NotYet } from '../errors.ts';

export const volumeExpander = defineController({
  name: 'persistentvolume-expander-controller',
  serviceAccount: 'expand-controller',
  eventSource: 'volume_expand',
  reconciles: PersistentVolumeClaim,
  when: (now, before) => compareQuantities(requestOf(now), requestOf(before)) > 0,
  watches: [watching(PersistentVolume, () => [])],

  async reconcile(claim, { cached, events }) {
    if (claim.status?.phase !== 'Bound') return settled;
    const has = claim.status.capacity?.['storage'] ?? '0';
    if (compareQuantities(requestOf(claim), has) <= 0) return settled;
    const volume = cached(PersistentVolume).get(claim.spec.volumeName ?? '');
    const { namespace, name, uid } = claim.metadata;
    if (volume?.spec.claimRef?.uid !== uid)
      throw new NotYet(`persistent Volume is not bound to PVC being updated : ${namespace}/${name}`);
    events.normal(claim, 'ExternalExpanding', 'waiting for an external controller to expand this PVC');
    return settled;
  },
});
