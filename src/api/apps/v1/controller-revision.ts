/** ControllerRevision: a former state of a StatefulSet or DaemonSet, kept for going back. Source: API reference, apps/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { type FieldError, requiredValue } from '#api/machinery/field-error.ts';
import type { Path } from '#api/machinery/field-path.ts';
import { isImmutable, isNotNegative } from '#api/machinery/field-rules.ts';

export type ControllerRevision = schema.ControllerRevision;

export const ControllerRevision = defineKind<schema.ControllerRevision>({
  group: 'apps',
  version: 'v1',
  kind: 'ControllerRevision',
  plural: 'controllerrevisions',
  scope: 'Namespaced',
  validate: ({ revision, data }, at) => [...isNotNegative(at.revision, revision), ...isObject(data, at.data)],
  updateHasOwnRules: true,
  validateUpdate: ({ next, current, at }) => [
    ...isNotNegative(at.revision, next.revision),
    ...isImmutable(at.data, next.data, current.data),
  ],
  columns: [
    nameColumn(),
    column('Controller', 'string', ({ metadata }) => {
      const owner = metadata.ownerReferences?.find(({ controller }) => controller);
      if (!owner) return '<none>';
      const group = owner.apiVersion.includes('/') ? `.${owner.apiVersion.split('/')[0]}` : '';
      return `${owner.kind.toLowerCase()}${group}/${owner.name}`;
    }),
    column('Revision', 'string', ({ revision }) => revision),
    ageColumn(),
  ],
  allowUnconditionalUpdate: false,
});

function isObject(data: unknown, at: Path): FieldError[] {
  if (data === undefined || data === null) return [requiredValue(at, 'data is mandatory')];
  return typeof data === 'object' && !Array.isArray(data)
    ? []
    : [requiredValue(at, 'data must be a valid JSON object')];
}
