/**
 * Brings pods from one template to the next by growing a ReplicaSet of the new one and shrinking those of the old ones.
 * ReplicaSets are kept as history: `kubectl rollout undo` takes a template from one of them.
 */
import { Deployment } from '#api/apps/v1/deployment.ts';
import { ReplicaSet } from '#api/apps/v1/replica-set.ts';
import { Pod } from '#api/core/v1/pod.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { ObjectKey } from '#api/machinery/object.ts';
import { controllerOf } from '../claim.ts';
import { again, type Cached, defineController, settled, watching } from '../define-controller.ts';
import { deploymentWrites, Rollout } from './rollout.ts';

export const deploymentController = defineController({
  name: 'deployment-controller',
  reconciles: Deployment,
  owns: [ReplicaSet],
  watches: [
    // Recreate waits for the last old pod; its going changes no ReplicaSet's spec.
    watching(
      Pod,
      (pod, cached) => {
        const key = deploymentKeyOf(pod, cached);
        return key && cached(Deployment).get(key)?.spec.strategy.type === 'Recreate' ? [key] : [];
      },
      (now, before) => now.status?.phase !== before.status?.phase,
    ),
  ],
  writes: deploymentWrites,
  selectorOf: ({ spec }) => spec.selector,

  async reconcile(deployment, { claim, cached, api, events, ...context }) {
    const { selector } = deployment.spec;
    if (!selector.matchExpressions?.length && Object.keys(selector.matchLabels ?? {}).length === 0) {
      const text = 'This deployment is selecting all pods. A non-empty selector is required.';
      events.warning(deployment, 'SelectingAll', text);
      const { generation: observedGeneration } = deployment.metadata;
      await api.updateStatus(deployment, { ...deployment.status, observedGeneration });
      return settled;
    }
    const replicaSets = await claim(ReplicaSet);
    const uids = new Set(replicaSets.map(({ metadata }) => metadata.uid));
    const { namespace = '' } = deployment.metadata;
    const pods = () =>
      cached(Pod)
        .inNamespace(namespace)
        .filter((pod) => uids.has(controllerOf(pod)?.uid ?? ''));
    const rollout = new Rollout(deployment, replicaSets, { claim, cached, api, events, ...context });
    const afterMs = await rollout.step(pods);
    return afterMs === undefined ? settled : again({ afterMs });
  },
});

function deploymentKeyOf(pod: Pod, cached: Cached<Kind>): ObjectKey | undefined {
  const replicaSet = controllerOf(pod);
  const { namespace } = pod.metadata;
  if (replicaSet?.kind !== 'ReplicaSet') return undefined;
  const rs = cached(ReplicaSet).get(`${namespace}/${replicaSet.name}`);
  const owner = rs && controllerOf(rs);
  return owner?.kind === 'Deployment' ? `${namespace}/${owner.name}` : undefined;
}
