/** VolumeAttachment: a volume shall be at a node. Source: API reference, storage.k8s.io/v1. */

import { validateDriverName } from '#api/core/v1/pod/volume-sources.ts';
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, KEEP_ALL_METADATA, nameColumn } from '#api/machinery/define-kind.ts';
import { forbiddenField, requiredValue } from '#api/machinery/field-error.ts';
import { follows, isImmutable } from '#api/machinery/field-rules.ts';
import { dns1123Subdomain } from '#api/machinery/names.ts';

export type VolumeAttachment = schema.VolumeAttachment;

export const VolumeAttachment = defineKind<schema.VolumeAttachment>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'VolumeAttachment',
  plural: 'volumeattachments',
  scope: 'Cluster',
  subresources: ['status'],
  statusKeeps: KEEP_ALL_METADATA,
  initialStatus: { attached: false },
  defaults: (attachment) =>
    ({ ...attachment, spec: { ...attachment.spec, source: attachment.spec?.source ?? {} } }) as schema.VolumeAttachment,
  validate: ({ spec }, { spec: at }) => [
    ...validateDriverName(spec.attacher, at.attacher),
    ...(spec.source.persistentVolumeName && spec.source.inlineVolumeSpec
      ? [forbiddenField(at.source, 'must specify exactly one of inlineVolumeSpec and persistentVolumeName')]
      : spec.source.persistentVolumeName || spec.source.inlineVolumeSpec
        ? []
        : [requiredValue(at.source, 'must specify exactly one of inlineVolumeSpec and persistentVolumeName')]),
    ...follows(at.nodeName, spec.nodeName ?? '', dns1123Subdomain),
  ],
  validateUpdate: ({ next, current, at }) => isImmutable(at.spec, next.spec, current.spec),
  columns: [
    nameColumn(),
    column('Attacher', 'string', ({ spec }) => spec.attacher),
    column('PV', 'string', ({ spec }) => spec.source.persistentVolumeName ?? ''),
    column('Node', 'string', ({ spec }) => spec.nodeName),
    column('Attached', 'boolean', ({ status }) => status?.attached ?? false),
    ageColumn(),
  ],
  allowUnconditionalUpdate: false,
});
