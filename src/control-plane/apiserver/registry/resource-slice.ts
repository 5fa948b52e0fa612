/** Since when a device is tainted is told where the driver did not. */
import type { DeviceTaint, ResourceSlice } from '#api/generated/schema.ts';
import { timestampOf } from '../verbs/object-identity.ts';
import type { Behaviour, BehaviourContext } from './behaviour.ts';

export const resourceSliceBehaviour: Behaviour<ResourceSlice> = {
  group: 'resource.k8s.io',
  plural: 'resourceslices',
  async beforeCreate(slice, context) {
    return { object: withTimes(slice, context) };
  },
  async beforeUpdate(next, _current, context) {
    return { object: withTimes(next, context) };
  },
};

const isTimeless = ({ timeAdded }: DeviceTaint) => !timeAdded;

function withTimes(slice: ResourceSlice, { services }: BehaviourContext): ResourceSlice {
  const { devices } = slice.spec;
  if (!devices?.some(({ taints }) => taints?.some(isTimeless))) return slice;
  const now = timestampOf(services.clock.now());
  const dated = devices.map((device) =>
    device.taints
      ? { ...device, taints: device.taints.map((taint) => (isTimeless(taint) ? { ...taint, timeAdded: now } : taint)) }
      : device,
  );
  return { ...slice, spec: { ...slice.spec, devices: dated } };
}
