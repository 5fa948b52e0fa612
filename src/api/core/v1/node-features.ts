/**
 * What nodes declare that their kubelet can do, beyond what any kubelet can, and which changes of a pod need that. Source:
 * KEP-5328; component-helpers, nodedeclaredfeatures.
 */
import type { Container, Pod, PodSpec } from '#api/generated/schema.ts';
import { isEqual } from '#api/machinery/equal.ts';

const POD_LEVEL_RESIZE = 'InPlacePodLevelResourcesVerticalScaling';
const RESTART_ALL = 'RestartAllContainersOnContainerExits';

/** Of this version's kubelets, in their order. */
export const DECLARED_FEATURES: readonly string[] = [POD_LEVEL_RESIZE, RESTART_ALL];

/** What the node of a running pod must have declared for it to become this. */
export const featuresOfUpdate = (next: Pod, current: Pod): string[] =>
  isEqual(next.spec.resources ?? null, current.spec.resources ?? null) ? [] : [POD_LEVEL_RESIZE];

/** What a node must have declared for such a pod to be placed there. */
export const featuresOfPlacing = ({ containers, initContainers }: PodSpec): readonly string[] =>
  containers.some(mayRestartAll) || initContainers?.some(mayRestartAll) ? RESTARTS_ALL : NONE;

const mayRestartAll = ({ restartPolicyRules }: Container): boolean =>
  restartPolicyRules?.some(({ action }) => action === 'RestartAllContainers') ?? false;

const RESTARTS_ALL: readonly string[] = [RESTART_ALL];
const NONE: readonly string[] = [];
