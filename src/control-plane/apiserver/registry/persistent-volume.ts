/** Since when a volume is in its phase, unless whoever moved it there says so. Source: KEP-3762. */
import type { PersistentVolume } from '#api/generated/schema.ts';
import { timestampOf } from '../verbs/object-identity.ts';
import type { Behaviour } from './behaviour.ts';

export const persistentVolumeBehaviour: Behaviour<PersistentVolume> = {
  group: '',
  plural: 'persistentvolumes',
  async beforeCreate(volume, { services }) {
    const status = { phase: 'Pending' as const, lastPhaseTransitionTime: timestampOf(services.clock.now()) };
    return { object: { ...volume, status } };
  },
  async beforeStatusUpdate(next, current, { services }) {
    const phase = next.status?.phase ?? 'Pending';
    const before = current.status?.lastPhaseTransitionTime;
    const told = next.status?.lastPhaseTransitionTime;
    const isSamePhase = phase === current.status?.phase;
    if (isSamePhase ? told || !before : told && told !== before) return { object: next };
    const lastPhaseTransitionTime = isSamePhase ? before! : timestampOf(services.clock.now());
    return { object: { ...next, status: { ...next.status, phase, lastPhaseTransitionTime } } };
  },
};
