/** What the parts of a kubelet have in common. `start-kubelet.ts` makes it. */
import type { KubeletConfiguration } from '#api/kubelet-config/kubelet-configuration.ts';
import type { EventSink } from '#client/event-recorder.ts';
import type { Cgroups } from '#node/runtime/cgroups/cgroups.ts';
import type { KeptState } from './kept-state.ts';
import type { KubeletOptions } from './kubelet-options.ts';
import type { NodePods } from './node-pods.ts';
import type { PodEvents } from './pod-events.ts';
import type { PodNotes } from './pod-notes.ts';
import type { PodStarts } from './pod-starts.ts';
import type { Probes } from './probes/probes.ts';
import type { ReferencedObjects } from './referenced-objects.ts';
import type { RuntimePods } from './runtime-pods.ts';
import type { StatusWriter } from './status-writer.ts';
import type { ServiceAccountTokens } from './volumes/service-account-tokens.ts';

export interface KubeletServices extends KeptState {
  options: KubeletOptions & { cgroupRoot: string };
  configuration: KubeletConfiguration;
  /** Given when the kubelet is to end. */
  signal: AbortSignal;
  /** About anything. */
  recorder: EventSink;
  /** About pods and their containers. */
  events: PodEvents;
  pods: NodePods;
  cgroups: Cgroups | undefined;
  runtimePods: RuntimePods;
  notes: PodNotes;
  podStarts: PodStarts;
  writer: StatusWriter;
  probes: Probes;
  references: ReferencedObjects;
  tokens: ServiceAccountTokens;
  /** Something about this pod has changed: its worker looks again. */
  wake(podUid: string): void;
}
