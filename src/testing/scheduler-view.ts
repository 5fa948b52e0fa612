/** What a scheduler's plugin sees of nodes and the pods on them, without a cluster. */
import type { Node } from '#api/core/v1/node.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import type { ClusterView } from '#control-plane/scheduler/define-plugin.ts';
import { Snapshot } from '#control-plane/scheduler/snapshot.ts';

/** Pods by the name of their node. `cached` gives all objects of a kind, whatever their namespace. */
export function schedulerView(
  nodes: readonly Node[],
  there: Readonly<Record<string, readonly Pod[]>> = {},
  cached: (kind: Kind) => readonly KubeObject[] = () => [],
): ClusterView {
  const snapshot = new Snapshot();
  for (const node of nodes) snapshot.putNode(node);
  for (const [nodeName, pods] of Object.entries(there))
    for (const pod of pods) snapshot.putPod({ ...pod, spec: { ...pod.spec, nodeName } });
  return {
    nodes: snapshot.nodes,
    versions: snapshot.versions,
    nowMs: 0,
    nodeNamed: (name) => snapshot.node(name),
    cached<T extends KubeObject>(kind: Kind<T>) {
      const all = cached(kind as unknown as Kind) as unknown as T[];
      return {
        get: (key) => all.find(({ metadata }) => key.endsWith(metadata.name)),
        list: () => all,
        inNamespace: () => all,
      };
    },
    tally: (key, make) => snapshot.tally(key, make),
    domains: (topologyKey) => snapshot.domains(topologyKey),
  };
}
