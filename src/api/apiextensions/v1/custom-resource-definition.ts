/** CustomResourceDefinition: a kind that is made while the cluster runs. Source: API reference, apiextensions.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import type { Submitted } from '#api/generated/schema.ts';
import { column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { type FieldError, invalidValue, requiredValue } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { follows, isImmutable, mustBeOneOf } from '#api/machinery/field-rules.ts';
import { dns1035Label, dns1123Subdomain } from '#api/machinery/names.ts';
import { validateConversion, withConversionDefaults } from './definition-conversion.ts';
import { unknownFormats, validateSchemas } from './definition-schemas.ts';
import { validateStoredVersions, validateVersions } from './definition-versions.ts';
import { validateApproval } from './group-approval.ts';
import { validateSelectableFields } from './selectable-fields.ts';

export type CustomResourceDefinition = schema.CustomResourceDefinition;

export const CustomResourceDefinition = defineKind<schema.CustomResourceDefinition>({
  group: 'apiextensions.k8s.io',
  version: 'v1',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  scope: 'Cluster',
  shortNames: ['crd', 'crds'],
  categories: ['api-extensions'],
  storagePrefix: 'apiextensions.k8s.io/customresourcedefinitions',
  subresources: ['status'],
  anyFinalizer: true,
  generationOf: ({ spec }) => spec,
  defaults: ({ spec = {}, ...definition }) =>
    ({
      ...definition,
      spec: {
        ...spec,
        names: {
          ...spec.names,
          singular: spec.names?.singular || (spec.names?.kind ?? '').toLowerCase(),
          listKind: spec.names?.listKind || (spec.names?.kind ? `${spec.names.kind}List` : ''),
        },
        conversion: withConversionDefaults(spec.conversion as schema.CustomResourceConversion | undefined),
        versions: spec.versions ?? [],
      },
      ...(definition.status && { status: withStoredVersions(definition.status, spec.versions) }),
    }) as schema.CustomResourceDefinition,
  prepareForCreate: (definition) => ({
    ...definition,
    status: {
      conditions: [],
      acceptedNames: { plural: '', kind: '' },
      storedVersions: definition.spec.versions.filter(({ storage }) => storage).map(({ name }) => name),
    } as unknown as schema.CustomResourceDefinitionStatus,
  }),
  prepareForUpdate: (next) => {
    const stored = next.status?.storedVersions ?? [];
    const storage = next.spec.versions.find((version) => version.storage)?.name;
    if (!next.status || !storage || stored.includes(storage)) return next;
    return { ...next, status: { ...next.status, storedVersions: [...stored, storage] } };
  },
  validate: (definition, at) => [
    ...validateName(definition, at),
    ...validateDefinition(definition, at),
    ...validateConversion(definition.spec.conversion, { isServed: false }),
    ...validateSchemas(definition.spec),
    ...validateSelectableFields(definition.spec),
    ...validateStoredVersions(definition.status?.storedVersions ?? [], definition.spec.versions),
    ...validateApproval(definition),
  ],
  updateHasOwnRules: true,
  validateUpdate: ({ next, current, at }) => {
    const isServed =
      current.status?.conditions?.some(({ type, status }) => type === 'Established' && status === 'True') ?? false;
    return [
      ...validateDefinition(next, at),
      ...validateConversion(next.spec.conversion, { current: current.spec.conversion, isServed }),
      ...validateSchemas(next.spec, current.spec),
      ...(isEqual(next.spec.versions, current.spec.versions) ? [] : validateSelectableFields(next.spec)),
      ...(isServed ? isImmutable(at.spec.scope, next.spec.scope ?? '', current.spec.scope) : []),
      ...(isServed ? isImmutable(at.spec.names.kind, next.spec.names.kind, current.spec.names.kind) : []),
      ...isImmutable(at.spec.group, next.spec.group, current.spec.group),
      ...isImmutable(at.spec.names.plural, next.spec.names.plural, current.spec.names.plural),
      ...validateStoredVersions(next.status?.storedVersions ?? [], next.spec.versions),
      ...validateApproval(next, current),
    ];
  },
  // Which versions are named as stored is left to who writes it: whoever has moved all objects takes one away.
  validateStatusUpdate: ({ next: { status }, at }) =>
    status?.acceptedNames ? validateNames(status.acceptedNames, at.status.acceptedNames) : [],
  warnings: ({ spec }, current) => {
    const known = new Set(current && unknownFormats(current.spec));
    return unknownFormats(spec)
      .filter((format) => !known.has(format))
      .map((format) => `unrecognized format ${JSON.stringify(format)}`);
  },
  columns: [nameColumn(), column('Created At', 'date', ({ metadata }) => metadata.creationTimestamp)],
  allowUnconditionalUpdate: false,
});

function withStoredVersions(
  status: Submitted<schema.CustomResourceDefinitionStatus>,
  versions: Submitted<schema.CustomResourceDefinitionVersion>[] = [],
) {
  if (status.storedVersions?.length) return status;
  const storage = versions.find((version) => version.storage)?.name;
  return storage ? { ...status, storedVersions: [storage] } : status;
}

/** Of what is there already neither the name nor what it is made of may change. */
const validateName = (
  { metadata, spec }: schema.CustomResourceDefinition,
  { metadata: at }: At<schema.CustomResourceDefinition>,
): FieldError[] =>
  metadata.name === `${spec.names.plural ?? ''}.${spec.group ?? ''}`
    ? []
    : [invalidValue(at.name, metadata.name, `must be spec.names.plural+"."+spec.group`)];

function validateDefinition(
  { spec }: schema.CustomResourceDefinition,
  { spec: at }: At<schema.CustomResourceDefinition>,
): FieldError[] {
  return [
    ...validateGroup(spec.group ?? '', at.group),
    ...mustBeOneOf(at.scope, spec.scope, ['Cluster', 'Namespaced']),
    ...validateVersions(spec),
    ...NAMES.flatMap((field) => (spec.names[field] ? [] : [requiredValue(at.names[field])])),
    ...validateNames(spec.names, at.names),
    ...(spec.preserveUnknownFields
      ? [
          invalidValue(
            at.preserveUnknownFields,
            true,
            'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead',
          ),
        ]
      : []),
  ];
}

function validateGroup(group: string, at: At<string>): FieldError[] {
  if (!group) return [requiredValue(at)];
  const errors = follows(at, group, dns1123Subdomain);
  return group.includes('.') || errors.length > 0
    ? errors
    : [invalidValue(at, group, 'should be a domain with at least one dot')];
}

const NAMES = ['plural', 'singular', 'kind', 'listKind'] as const;

/** Those that are given. */
function validateNames(
  names: schema.CustomResourceDefinitionNames,
  at: At<schema.CustomResourceDefinitionNames>,
): FieldError[] {
  const errors: FieldError[] = [];
  for (const field of NAMES) {
    const name = names[field] ?? '';
    if (!name) continue;
    if (field === 'plural' || field === 'singular') errors.push(...follows(at[field], name, dns1035Label));
    else {
      const problems = dns1035Label(name.toLowerCase()).join(',');
      const mixed = 'may have mixed case, but should otherwise match: ';
      if (problems) errors.push(invalidValue(at[field], name, mixed + problems));
    }
  }
  for (const [index, name] of (names.shortNames ?? []).entries())
    errors.push(...follows(at.shortNames[index]!, name, dns1035Label));
  for (const [index, name] of (names.categories ?? []).entries())
    errors.push(...follows(at.categories[index]!, name, dns1035Label));
  if (names.kind && names.kind === names.listKind)
    errors.push(invalidValue(at.listKind, names.listKind, 'kind and listKind may not be the same'));
  return errors;
}
