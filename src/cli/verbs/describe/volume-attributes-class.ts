/** How volumes may change. */
import type { VolumeAttributesClass } from '#api/generated/schema.ts';
import { formatLabels } from '#api/machinery/label-selector.ts';
import type { Describer } from './describer.ts';
import { describeEvents } from './events.ts';

export const volumeAttributesClassDescriber: Describer<VolumeAttributesClass> = {
  kind: 'VolumeAttributesClass.storage.k8s.io',
  async describe(report, attributes, context) {
    const { metadata, driverName, parameters } = attributes;
    report.field('Name', metadata.name);
    report.field('Annotations', formatLabels(metadata.annotations));
    report.field('DriverName', driverName);
    report.field('Parameters', formatLabels(parameters));
    await describeEvents(report, attributes, context);
  },
};
