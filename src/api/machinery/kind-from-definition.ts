/**
 * Kinds from a CustomResourceDefinition: the same thing that a built-in file makes, so that nothing else knows the difference.
 * Its objects are pruned, defaulted and validated by the schema of their version. Source: "Extend the Kubernetes API with
 * CustomResourceDefinitions".
 */
import type {
  CustomResourceColumnDefinition,
  CustomResourceDefinition,
  CustomResourceDefinitionSpec,
  CustomResourceDefinitionVersion,
  JSONSchemaProps,
} from '#api/generated/schema.ts';
import { column, defineKind, KEEP_ALL_METADATA } from './define-kind.ts';
import { humanSince } from './duration.ts';
import { parseJsonPath, valuesAt } from './json-path.ts';
import { compareVersions } from './version-order.ts';
import type { Column, Converter, Kind, Selectable } from './kind.ts';
import type { KubeObject } from './object.ts';
import { type CustomShape, customShape } from './structural-schema/custom-shape.ts';

/**
 * One kind for each version that is served; those that are not stored map to and from the stored one, by their apiVersion
 * alone unless there is a converter. Empty for a definition that has no stored version.
 */
export function kindsFromDefinition(definition: CustomResourceDefinition, converter?: Converter): Kind[] {
  const hub = storedKindFromDefinition(definition, converter);
  if (!hub) return [];
  const kinds = definition.spec.versions.filter(({ served }) => served);
  return kinds.map((version) => (version.storage ? hub : converted(kindOf(definition, version, hub), converter)));
}

/** As objects are stored, whether or not that version is served. */
export function storedKindFromDefinition(
  definition: CustomResourceDefinition,
  converter?: Converter,
): Kind | undefined {
  const storage = definition.spec.versions.find((version) => version.storage);
  return storage && converted(kindOf(definition, storage), converter);
}

const converted = (kind: Kind, converter: Converter | undefined): Kind => (converter ? { ...kind, converter } : kind);

function kindOf({ spec }: CustomResourceDefinition, version: CustomResourceDefinitionVersion, hub?: Kind): Kind {
  const { group, names } = spec;
  const { status, scale } = version.subresources ?? {};
  const custom = customShape(version.schema?.openAPIV3Schema ?? ANYTHING);
  const withoutStatus = (object: KubeObject): KubeObject => {
    const { status: _, ...rest } = object as KubeObject & { status?: unknown };
    return rest;
  };
  return {
    ...defineKind<KubeObject>({
      group,
      version: version.name,
      kind: names.kind,
      plural: names.plural,
      singular: names.singular || names.kind.toLowerCase(),
      scope: spec.scope === 'Cluster' ? 'Cluster' : 'Namespaced',
      shortNames: names.shortNames ?? [],
      categories: names.categories ?? [],
      storagePrefix: `${group}/${names.plural}`,
      subresources: [...(status ? (['status'] as const) : []), ...(scale ? (['scale'] as const) : [])],
      statusKeeps: KEEP_ALL_METADATA,
      anyFinalizer: true,
      generationOf: (object) => {
        const { metadata: _, ...content } = object;
        return status ? withoutStatus(content as KubeObject) : content;
      },
      ...(status && { prepareForCreate: withoutStatus }),
      ...(hub && {
        hub: { kind: hub, toHub: fitted(hub, hub.custom), fromHub: fitted({ group, version: version.name }, custom) },
      }),
      defaults: (object) => custom.defaults(object as unknown as KubeObject),
      validate: (object) => custom.validate(object),
      updateHasOwnRules: true,
      validateUpdate: ({ next, current }) => custom.validate(next, current),
      validateStatusUpdate: ({ next, current }) => custom.validate(next, current),
      warnings: (object) => custom.warnings(object),
      ...(version.deprecated && {
        deprecation: version.deprecationWarning ?? deprecationOf(spec, version),
      }),
      columns: columnsOf(version.additionalPrinterColumns ?? []),
      selectableFields: Object.fromEntries(
        (version.selectableFields ?? []).map(({ jsonPath }) => selectable(jsonPath)),
      ),
      allowUnconditionalUpdate: false,
      ...(scale && {
        scale: {
          replicas: scale.specReplicasPath,
          statusReplicas: scale.statusReplicasPath,
          selector: textAt(scale.labelSelectorPath),
        },
      }),
    }),
    listKind: names.listKind || `${names.kind}List`,
    facts: undefined,
    custom,
  };
}

/** Without a schema nothing is known of the object. */
const ANYTHING: JSONSchemaProps = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };

/** Conversion by strategy None: another apiVersion, and the fields that this version has. */
function fitted({ group, version }: Pick<Kind, 'group' | 'version'>, custom: CustomShape | undefined) {
  return (object: KubeObject): KubeObject => {
    const retyped = { ...object, apiVersion: `${group}/${version}` };
    return custom?.shaped(retyped) ?? retyped;
  };
}

const selectable = (jsonPath: string): [string, Selectable<KubeObject>] => [
  jsonPath.replace(/^\./, ''),
  textAt(jsonPath),
];

/** The first value as text; empty where there is none. */
function textAt(jsonPath: string | undefined): (object: KubeObject) => string {
  const path = jsonPath === undefined ? undefined : parseJsonPath(jsonPath);
  return (object) => {
    const [value] = path ? valuesAt(path, object) : [];
    return value === undefined || value === null ? '' : String(value);
  };
}

/** Names the newest version that is better, if there is one. Source: apiextensions, defaultDeprecationWarning. */
function deprecationOf({ group, names, versions }: CustomResourceDefinitionSpec, { name }: { name: string }): string {
  const [better] = versions
    .filter((version) => version.served && !version.deprecated && compareVersions(version.name, name) < 0)
    .map((version) => version.name)
    .sort(compareVersions);
  const advice = better ? `; use ${group}/${better} ${names.kind}` : '';
  return `${group}/${name} ${names.kind} is deprecated${advice}`;
}

// Texts of the API reference, which upstream puts into every table.
const NAME =
  'Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names';
const CREATION_TIMESTAMP =
  'CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata';
const NAME_COLUMN: Column<KubeObject> = column('Name', 'string', ({ metadata }) => metadata.name, {
  format: 'name',
  description: NAME,
});
const AGE: CustomResourceColumnDefinition = {
  name: 'Age',
  type: 'date',
  jsonPath: '.metadata.creationTimestamp',
  description: CREATION_TIMESTAMP,
};

const columnsOf = (definitions: readonly CustomResourceColumnDefinition[]): Column<KubeObject>[] => [
  NAME_COLUMN,
  ...(definitions.length > 0 ? definitions : [AGE]).map(columnOf),
];

const TYPES: readonly string[] = ['string', 'integer', 'number', 'boolean', 'date'];

function columnOf(definition: CustomResourceColumnDefinition): Column<KubeObject> {
  const path = parseJsonPath(definition.jsonPath);
  const type = (TYPES.includes(definition.type) ? definition.type : 'string') as Column<KubeObject>['type'];
  return column(definition.name, type, (object, nowMs) => cellOf(path ? valuesAt(path, object) : [], type, nowMs), {
    priority: definition.priority ?? 0,
    ...(definition.format && { format: definition.format }),
    description:
      definition.description || `Custom resource definition column (in JSONPath format): ${definition.jsonPath}`,
    ...(type === 'date' && { timeDependent: true }),
  });
}

/** The first value counts; what does not have the type that the column promises shows as nothing. */
function cellOf(
  values: readonly unknown[],
  type: Column<KubeObject>['type'],
  nowMs: number,
): ReturnType<Column<KubeObject>['cell']> {
  const [value] = values;
  if (values.length === 0) return null;
  if (type === 'string') return shown(value);
  switch (type) {
    case 'integer':
      return typeof value === 'number' ? Math.trunc(value) : null;
    case 'number':
      return typeof value === 'number' ? value : null;
    case 'boolean':
      return typeof value === 'boolean' ? value : null;
    case 'date':
      if (typeof value !== 'string') return null;
      return value && Number.isNaN(Date.parse(value)) ? '<invalid>' : humanSince(value, nowMs);
  }
}

/** As kubectl's JSONPath prints a value. */
function shown(value: unknown): string {
  if (value === undefined || value === null) return '<no value>';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
