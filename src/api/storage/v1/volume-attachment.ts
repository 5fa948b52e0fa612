/** VolumeAttachment: a volume shall be at a node. Source: API reference, storage.k8s.io/v1. */

import { validateVolumeSpec } from '#api/core/v1/persistent-volume-rules.ts';
import { validateDriverName } from '#api/core/v1/pod/volume-sources.ts';
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, KEEP_ALL_METADATA, nameColumn } from '#api/machinery/define-kind.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { type FieldError, forbiddenField, invalidValue, requiredValue, tooLong } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { follows } from '#api/machinery/field-rules.ts';
import { between, dns1123Subdomain } from '#api/machinery/names.ts';
import { byteLength, IMMUTABLE } from '#api/machinery/object-meta.ts';

export type VolumeAttachment = schema.VolumeAttachment;

const MAX_METADATA_BYTES = 256 * 1024;
const MAX_MESSAGE_BYTES = 1024;
const MAX_INT32 = 2 ** 31 - 1;

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
  validate: validateAttachment,
  validateUpdate: ({ next, current, at }) =>
    isEqual(next.spec, current.spec) ? [] : [invalidValue(at.spec, shownSpec(next.spec), IMMUTABLE)],
  validateStatusUpdate: ({ next, at }) => validateAttachment(next, at),
  columns: [
    nameColumn(),
    column('Attacher', 'string', ({ spec }) => spec.attacher, { format: 'name' }),
    column('PV', 'string', ({ spec }) => spec.source.persistentVolumeName ?? ''),
    column('Node', 'string', ({ spec }) => spec.nodeName),
    column('Attached', 'boolean', ({ status }) => status?.attached ?? false),
    ageColumn(),
  ],
  allowUnconditionalUpdate: false,
});

function validateAttachment({ spec, status }: schema.VolumeAttachment, at: At<schema.VolumeAttachment>): FieldError[] {
  return [
    ...validateDriverName(spec.attacher, at.spec.attacher),
    ...validateSource(spec.source, at.spec.source),
    ...follows(at.spec.nodeName, spec.nodeName ?? '', dns1123Subdomain),
    ...validateStatus(status ?? ({} as schema.VolumeAttachmentStatus), at.status),
    ...(spec.source.persistentVolumeName === undefined
      ? []
      : follows(at.spec.source.persistentVolumeName, spec.source.persistentVolumeName, dns1123Subdomain)),
  ];
}

const ONE_OF_TWO = 'must specify exactly one of inlineVolumeSpec and persistentVolumeName';

function validateSource(
  { persistentVolumeName: name, inlineVolumeSpec: inline }: schema.VolumeAttachmentSource,
  at: At<schema.VolumeAttachmentSource>,
): FieldError[] {
  if (name !== undefined && inline) return [forbiddenField(at, ONE_OF_TWO)];
  if (inline) return validateVolumeSpec(inline, at.inlineVolumeSpec, { name: '', isInline: true });
  if (name === undefined) return [requiredValue(at, ONE_OF_TWO)];
  return name ? [] : [requiredValue(at.persistentVolumeName, 'must specify non empty persistentVolumeName')];
}

function validateStatus(
  { attachmentMetadata = {}, attachError, detachError }: schema.VolumeAttachmentStatus,
  at: At<schema.VolumeAttachmentStatus>,
): FieldError[] {
  const bytes = Object.entries(attachmentMetadata).reduce((sum, entry) => sum + byteLength(entry.join('')), 0);
  return [
    ...(bytes > MAX_METADATA_BYTES ? [tooLong(at.attachmentMetadata, MAX_METADATA_BYTES)] : []),
    ...(attachError ? validateError(attachError, at.attachError) : []),
    ...(detachError ? validateError(detachError, at.detachError) : []),
  ];
}

/** Upstream tells the limit of the metadata where a message is too long. */
const validateError = ({ message = '', errorCode }: schema.VolumeError, at: At<schema.VolumeError>): FieldError[] => [
  ...(byteLength(message) > MAX_MESSAGE_BYTES ? [tooLong(at.message, MAX_METADATA_BYTES)] : []),
  ...(errorCode !== undefined && errorCode < 0 ? [invalidValue(at.errorCode, errorCode, between(0, MAX_INT32))] : []),
];

/** The message shows upstream's own form, for a volume that is named; one inside is shown as the API has it. */
const shownSpec = ({ attacher, nodeName, source }: schema.VolumeAttachmentSpec) =>
  source.inlineVolumeSpec
    ? { attacher, source, nodeName }
    : {
        Attacher: attacher,
        Source: { PersistentVolumeName: source.persistentVolumeName ?? null, InlineVolumeSpec: null },
        NodeName: nodeName,
      };
