/** What the schemas of the Gateway API's kinds are put together from. Source: Gateway API v1.6, standard channel: limits, defaults and texts of rules. */
import type { CustomResourceDefinition, JSONSchemaProps, ValidationRule } from '#api/generated/schema.ts';

export const GROUP = 'gateway.networking.k8s.io';
/** Whose objects these are understood to be: what looks for the definitions asks this annotation. */
export const BUNDLE_VERSION = 'v1.6.1';

type Schema = JSONSchemaProps;

const SUBDOMAIN = '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*';
const text = (more: Schema = {}): Schema => ({ type: 'string', ...more });

export const parts = {
  text,
  flag: { type: 'boolean' } as Schema,
  integer: (minimum: number, maximum?: number): Schema => ({
    type: 'integer',
    format: 'int32',
    minimum,
    ...(maximum !== undefined && { maximum }),
  }),
  group: text({ maxLength: 253, pattern: `^$|^${SUBDOMAIN}$` }),
  kind: text({ minLength: 1, maxLength: 63, pattern: '^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$' }),
  objectName: text({ minLength: 1, maxLength: 253 }),
  namespace: text({ minLength: 1, maxLength: 63, pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$' }),
  sectionName: text({ minLength: 1, maxLength: 253, pattern: `^${SUBDOMAIN}$` }),
  hostname: text({ minLength: 1, maxLength: 253, pattern: `^(\\*\\.)?${SUBDOMAIN}$` }),
  preciseHostname: text({ minLength: 1, maxLength: 253, pattern: `^${SUBDOMAIN}$` }),
  controllerName: text({
    minLength: 1,
    maxLength: 253,
    pattern: `^${SUBDOMAIN}\\/[A-Za-z0-9\\/\\-._~%!$&'()*+,;=:]+$`,
  }),
  headerName: text({ minLength: 1, maxLength: 256, pattern: "^[A-Za-z0-9!#$%&'*+\\-.^_\\x60|~]+$" }),
  duration: text({ pattern: '^([0-9]{1,5}(h|m|s|ms)){1,4}$' }),
};

export const object = (
  properties: Record<string, Schema>,
  required: string[] = [],
  rules: ValidationRule[] = [],
): Schema => ({
  type: 'object',
  properties,
  ...(required.length > 0 && { required }),
  ...(rules.length > 0 && { 'x-kubernetes-validations': rules }),
});

export const list = (items: Schema, more: Schema = {}): Schema => ({
  type: 'array',
  items,
  'x-kubernetes-list-type': 'atomic',
  ...more,
});

export const keyed = (key: string, items: Schema, more: Schema = {}): Schema => ({
  type: 'array',
  items,
  'x-kubernetes-list-type': 'map',
  'x-kubernetes-list-map-keys': [key],
  ...more,
});

export const texts = (more: Schema = {}): Schema => ({ type: 'object', additionalProperties: text(), ...more });

export const rule = (message: string, expression: string): ValidationRule => ({ message, rule: expression });

export const selector = object({
  matchLabels: texts(),
  matchExpressions: list(object({ key: text(), operator: text(), values: list(text()) }, ['key', 'operator'])),
});

const condition = object(
  {
    type: text({
      maxLength: 316,
      pattern: `^(${SUBDOMAIN}/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$`,
    }),
    status: text({ enum: ['True', 'False', 'Unknown'] }),
    observedGeneration: { type: 'integer', format: 'int64', minimum: 0 },
    lastTransitionTime: text({ format: 'date-time' }),
    reason: text({ minLength: 1, maxLength: 1024, pattern: '^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$' }),
    message: text({ maxLength: 32768 }),
  },
  ['lastTransitionTime', 'message', 'reason', 'status', 'type'],
);
export const conditions = (more: Schema = {}): Schema => keyed('type', condition, { maxItems: 8, ...more });

/** What a status says before anybody has looked at the object. */
export const awaited = (...types: string[]) =>
  types.map((type) => ({
    type,
    status: 'Unknown',
    reason: 'Pending',
    message: 'Waiting for controller',
    lastTransitionTime: '1970-01-01T00:00:00Z',
  }));

const parentRef = object(
  {
    group: { ...parts.group, default: GROUP },
    kind: { ...parts.kind, default: 'Gateway' },
    namespace: parts.namespace,
    name: parts.objectName,
    sectionName: parts.sectionName,
    port: parts.integer(1, 65535),
  },
  ['name'],
);

/** Two refer to the same object. */
const SAME_PARENT =
  "p1.group == p2.group && p1.kind == p2.kind && p1.name == p2.name && (((!has(p1.__namespace__) || p1.__namespace__ == '') && (!has(p2.__namespace__) || p2.__namespace__ == '')) || (has(p1.__namespace__) && has(p2.__namespace__) && p1.__namespace__ == p2.__namespace__))";
const NO_SECTION = (name: string) => `(!has(${name}.sectionName) || ${name}.sectionName == '')`;

const parentRefs = list(parentRef, {
  maxItems: 32,
  'x-kubernetes-validations': [
    rule(
      'sectionName must be specified when parentRefs includes 2 or more references to the same parent',
      `self.all(p1, self.all(p2, (${SAME_PARENT}) ? (${NO_SECTION('p1')} == ${NO_SECTION('p2')}) : true))`,
    ),
    rule(
      'sectionName must be unique when parentRefs includes 2 or more references to the same parent',
      `self.all(p1, self.exists_one(p2, (${SAME_PARENT}) && ((${NO_SECTION('p1')} && ${NO_SECTION('p2')}) || (has(p1.sectionName) && has(p2.sectionName) && p1.sectionName == p2.sectionName))))`,
    ),
  ],
});

const routeStatus = object(
  {
    parents: list(
      object({ parentRef, controllerName: parts.controllerName, conditions: conditions({ minItems: 1 }) }, [
        'conditions',
        'controllerName',
        'parentRef',
      ]),
      { maxItems: 32 },
    ),
  },
  ['parents'],
);

const PORT_RULE = rule(
  'Must have port for Service reference',
  "(size(self.group) == 0 && self.kind == 'Service') ? has(self.port) : true",
);

/** A Service, and more beside it. */
export const backendRef = (more: Record<string, Schema> = {}): Schema =>
  object(
    {
      group: { ...parts.group, default: '' },
      kind: { ...parts.kind, default: 'Service' },
      name: parts.objectName,
      namespace: parts.namespace,
      port: parts.integer(1, 65535),
      ...more,
    },
    ['name'],
    [PORT_RULE],
  );

export const weight: Schema = { ...parts.integer(0, 1_000_000), default: 1 };
export const hostnames = (more: Schema = {}): Schema => list(parts.hostname, { maxItems: 16, ...more });

export const certificateRef = object(
  {
    group: { ...parts.group, default: '' },
    kind: { ...parts.kind, default: 'Secret' },
    name: parts.objectName,
    namespace: parts.namespace,
  },
  ['name'],
);

export interface DefinitionOf {
  kind: string;
  plural: string;
  scope?: 'Cluster';
  shortNames?: string[];
  /** Those that are served; the first is stored, unless one is named. */
  versions: string[];
  stored?: string;
  schema: Schema;
  hasStatus?: boolean;
  columns: { name: string; type: string; jsonPath: string; priority?: number }[];
}

/** As users who bring the standard definitions along have it: theirs may be put on top. */
export function definition(of: DefinitionOf): CustomResourceDefinition {
  const { kind, plural, scope = 'Namespaced', shortNames, versions, stored = versions[0], schema, columns } = of;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: `${plural}.${GROUP}`,
      annotations: {
        'api-approved.kubernetes.io': 'https://github.com/kubernetes-sigs/gateway-api/pull/4530',
        'gateway.networking.k8s.io/bundle-version': BUNDLE_VERSION,
        'gateway.networking.k8s.io/channel': 'standard',
      },
    },
    spec: {
      group: GROUP,
      scope,
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular: kind.toLowerCase(),
        categories: ['gateway-api'],
        ...(shortNames && { shortNames }),
      },
      versions: versions.map((name) => ({
        name,
        served: true,
        storage: name === stored,
        schema: { openAPIV3Schema: schema },
        ...(of.hasStatus !== false && { subresources: { status: {} } }),
        additionalPrinterColumns: [...columns, AGE],
      })),
    },
  } as unknown as CustomResourceDefinition;
}

interface RouteDefinitionOf extends Pick<DefinitionOf, 'kind' | 'plural' | 'versions'> {
  /** Absent: any number, and they are shown. */
  hostnames?: Schema;
  rules: Schema;
  required?: string[];
}

/** What all kinds of routes have beside their rules. */
export const routeDefinition = ({ hostnames: own, rules, required, ...of }: RouteDefinitionOf) =>
  definition({
    ...of,
    columns: own ? [] : [{ name: 'Hostnames', type: 'string', jsonPath: '.spec.hostnames' }],
    schema: object(
      { spec: object({ parentRefs, hostnames: own ?? hostnames(), rules }, required), status: routeStatus },
      ['spec'],
    ),
  });

const AGE = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' };
