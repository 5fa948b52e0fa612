/** What is done to pods besides editing them. */
import type { Pod } from '#api/generated/schema.ts';
import type { Behaviour } from './behaviour.ts';
import { bind } from './pod-binding.ts';
import { attach, exec, log, portForward, proxyPod } from './pod-connect.ts';
import { evict } from './pod-eviction.ts';

export const podBehaviour: Behaviour<Pod> = {
  group: '',
  plural: 'pods',
  returnsDeleted: true,
  subresources: {
    binding: { create: bind },
    eviction: { create: evict },
    log: { get: log },
    exec: { get: exec, create: exec },
    attach: { get: attach, create: attach },
    portforward: { get: portForward, create: portForward },
    proxy: { '*': proxyPod },
  },
};
