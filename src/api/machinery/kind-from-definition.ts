/**
 * Kinds from a CustomResourceDefinition: the same thing that a built-in file makes, so that nothing else knows the difference.
 * Its objects are pruned, defaulted and validated by the schema of their version. Source: "Extend the Kubernetes API with
 * CustomResourceDefinitions".
 */
import type {
  CustomResourceColumnDefinition,
  CustomResourceDefinition,
  CustomResourceDefinitionVersion,
  JSONSchemaProps,
} from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, KEEP_ALL_METADATA, nameColumn } from './define-kind.ts';
import { humanSince } from './duration.ts';
import { parseJsonPath, valuesAt } from './json-path.ts';
import type { Column, Kind, Selectable } from './kind.ts';
import type { KubeObject } from './object.ts';
import { type CustomShape, customShape } from './structural-schema/custom-shape.ts';

/**
 * One kind for each version that is served; those that are not stored map to and from the stored one, by their apiVersion
 * alone. Empty for a definition that has no stored version.
 */
export function kindsFromDefinition(definition: CustomResourceDefinition): Kind[] {
  const { versions } = definition.spec;
  const storage = versions.find((version) => version.storage);
  if (!storage) return [];
  const hub = kindOf(definition, storage);
  return versions
    .filter((version) => version.served)
    .map((version) => (version === storage ? hub : kindOf(definition, version, hub)));
}

function kindOf({ spec }: CustomResourceDefinition, version: CustomResourceDefinitionVersion, hub?: Kind): Kind {
  const { group, names } = spec;
  const { status, scale } = version.subresources ?? {};
  const apiVersion = `${group}/${version.name}`;
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
      ...(version.deprecated && {
        deprecation: version.deprecationWarning ?? `${apiVersion} ${names.kind} is deprecated`,
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

function columnsOf(definitions: readonly CustomResourceColumnDefinition[]): Column<KubeObject>[] {
  if (definitions.length === 0) return [nameColumn(), ageColumn()];
  return [nameColumn(), ...definitions.map(columnOf)];
}

const TYPES: readonly string[] = ['string', 'integer', 'number', 'boolean', 'date'];

function columnOf(definition: CustomResourceColumnDefinition): Column<KubeObject> {
  const path = parseJsonPath(definition.jsonPath);
  const type = (TYPES.includes(definition.type) ? definition.type : 'string') as Column<KubeObject>['type'];
  return column(definition.name, type, (object, nowMs) => cellOf(path ? valuesAt(path, object) : [], type, nowMs), {
    priority: definition.priority ?? 0,
    ...(definition.format && { format: definition.format }),
    ...(definition.description && { description: definition.description }),
    ...(type === 'date' && { timeDependent: true }),
  });
}

/** What does not have the type that the column promises shows as nothing. */
function cellOf(
  values: readonly unknown[],
  type: Column<KubeObject>['type'],
  nowMs: number,
): ReturnType<Column<KubeObject>['cell']> {
  const [value] = values;
  if (value === undefined || value === null) return null;
  switch (type) {
    case 'integer':
      return typeof value === 'number' ? Math.trunc(value) : null;
    case 'number':
      return typeof value === 'number' ? value : null;
    case 'boolean':
      return typeof value === 'boolean' ? value : null;
    case 'date':
      return typeof value === 'string' ? humanSince(value, nowMs) : null;
    case 'string':
      return values.length > 1 ? values.map(shown).join(',') : shown(value);
  }
}

const shown = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
