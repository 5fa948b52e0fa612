/** In which order nodes are looked at: a part of them must show what all zones have. Source: scheduler cache, node tree. */
import type { NodeInfo } from './node-info.ts';

const REGION = 'topology.kubernetes.io/region';
const ZONE = 'topology.kubernetes.io/zone';

/** One of each zone in turn; within a zone the order stays. */
export function inTurnByZone(nodes: readonly NodeInfo[]): NodeInfo[] {
  const zones = new Map<string, NodeInfo[]>();
  for (const info of nodes) {
    const labels = info.node.metadata.labels ?? {};
    const zone = `${labels[REGION] ?? ''}/${labels[ZONE] ?? ''}`;
    const others = zones.get(zone);
    if (others) others.push(info);
    else zones.set(zone, [info]);
  }
  const rows = [...zones.values()];
  const longest = rows.reduce((most, { length }) => Math.max(most, length), 0);
  const ordered: NodeInfo[] = [];
  for (let i = 0; i < longest; i++) for (const row of rows) if (i < row.length) ordered.push(row[i] as NodeInfo);
  return ordered;
}
