/** Which storage drivers a node has. */
import type { CSINode } from '#api/generated/schema.ts';
import type { Describer } from './describer.ts';
import { describeEvents } from './events.ts';
import { formatTime, goList } from './report.ts';

export const csiNodeDescriber: Describer<CSINode> = {
  kind: 'CSINode.storage.k8s.io',
  async describe(report, node, context) {
    const { metadata, spec } = node;
    report.field('Name', metadata.name);
    report.labels('Labels', metadata.labels);
    report.annotations('Annotations', metadata.annotations);
    report.field('CreationTimestamp', formatTime(metadata.creationTimestamp));
    report.line(0, 'Spec:');
    if (spec.drivers) report.line(1, 'Drivers:');
    for (const { name, nodeID, allocatable, topologyKeys } of spec.drivers ?? []) {
      report.line(2, `${name}:`);
      report.field('Node ID', nodeID, 3);
      if (allocatable?.count !== undefined) {
        report.line(3, 'Allocatables:');
        report.field('Count', allocatable.count, 4);
      }
      if (topologyKeys) report.field('Topology Keys', goList(topologyKeys), 3);
    }
    await describeEvents(report, node, context);
  },
};
