/** Filters of routes: what is changed of requests and answers. Source: Gateway API reference, HTTPRouteFilter, GRPCRouteFilter. */
import type { JSONSchemaProps } from '#api/generated/schema.ts';
import type { BackendReference } from './route.ts';
import { backendRef, keyed, list, object, parts, rule } from './schema-parts.ts';

export interface NamedValue {
  name: string;
  value: string;
}

export interface HeaderModifier {
  set?: NamedValue[];
  add?: NamedValue[];
  remove?: string[];
}

export interface PathModifier {
  type: 'ReplaceFullPath' | 'ReplacePrefixMatch';
  replaceFullPath?: string;
  replacePrefixMatch?: string;
}

export interface CorsFilter {
  allowOrigins?: string[];
  allowCredentials?: boolean;
  allowMethods?: string[];
  allowHeaders?: string[];
  exposeHeaders?: string[];
  maxAge?: number;
}

export interface RouteFilter {
  type: string;
  requestHeaderModifier?: HeaderModifier;
  responseHeaderModifier?: HeaderModifier;
  requestMirror?: {
    backendRef: BackendReference;
    percent?: number;
    fraction?: { numerator: number; denominator?: number };
  };
  requestRedirect?: { scheme?: string; hostname?: string; path?: PathModifier; port?: number; statusCode?: number };
  urlRewrite?: { hostname?: string; path?: PathModifier };
  cors?: CorsFilter;
  extensionRef?: { group: string; kind: string; name: string };
}

const namedValue = object({ name: parts.headerName, value: parts.text({ minLength: 1, maxLength: 4096 }) }, [
  'name',
  'value',
]);
const headerModifier = object({
  set: keyed('name', namedValue, { maxItems: 16 }),
  add: keyed('name', namedValue, { maxItems: 16 }),
  remove: list(parts.text(), { maxItems: 16, 'x-kubernetes-list-type': 'set' }),
});

const pathModifier = object(
  {
    type: parts.text({ enum: ['ReplaceFullPath', 'ReplacePrefixMatch'] }),
    replaceFullPath: parts.text({ maxLength: 1024 }),
    replacePrefixMatch: parts.text({ maxLength: 1024 }),
  },
  ['type'],
  [
    ['ReplaceFullPath', 'replaceFullPath'],
    ['ReplacePrefixMatch', 'replacePrefixMatch'],
  ].flatMap(([type, field]) => [
    rule(
      `${field} must be specified when type is set to '${type}'`,
      `self.type == '${type}' ? has(self.${field}) : true`,
    ),
    rule(`type must be '${type}' when ${field} is set`, `has(self.${field}) ? self.type == '${type}' : true`),
  ]),
);

const set = (items: JSONSchemaProps, maxItems: number, message?: string): JSONSchemaProps =>
  list(items, {
    maxItems,
    'x-kubernetes-list-type': 'set',
    ...(message && { 'x-kubernetes-validations': [rule(message, "!('*' in self && self.size() > 1)")] }),
  });

export const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'];

const schemas: Record<string, JSONSchemaProps> = {
  requestHeaderModifier: headerModifier,
  responseHeaderModifier: headerModifier,
  requestMirror: object(
    {
      backendRef: backendRef(),
      percent: parts.integer(0, 100),
      fraction: object(
        { numerator: parts.integer(0), denominator: { ...parts.integer(1), default: 100 } },
        ['numerator'],
        [rule('numerator must be less than or equal to denominator', 'self.numerator <= self.denominator')],
      ),
    },
    ['backendRef'],
    [
      rule(
        'Only one of percent or fraction may be specified in HTTPRequestMirrorFilter',
        '!(has(self.percent) && has(self.fraction))',
      ),
    ],
  ),
  requestRedirect: object({
    scheme: parts.text({ enum: ['http', 'https'] }),
    hostname: parts.preciseHostname,
    path: pathModifier,
    port: parts.integer(1, 65535),
    statusCode: { type: 'integer', enum: [301, 302, 303, 307, 308], default: 302 },
  }),
  urlRewrite: object({ hostname: parts.preciseHostname, path: pathModifier }),
  cors: object({
    allowOrigins: set(
      parts.text({
        minLength: 1,
        maxLength: 253,
        pattern: '(^\\*$)|(^(http(s)?):\\/\\/(((\\*\\.)?([a-zA-Z0-9\\-]+\\.)*[a-zA-Z0-9-]+|\\*)(:([0-9]{1,5}))?)$)',
      }),
      64,
      "AllowOrigins cannot contain '*' alongside other origins",
    ),
    allowCredentials: parts.flag,
    allowMethods: set(
      parts.text({ enum: [...METHODS, '*'] }),
      9,
      "AllowMethods cannot contain '*' alongside other methods",
    ),
    allowHeaders: set(parts.headerName, 64, "AllowHeaders cannot contain '*' alongside other methods"),
    exposeHeaders: set(parts.headerName, 64),
    maxAge: { ...parts.integer(1), default: 5 },
  }),
  extensionRef: object({ group: parts.group, kind: parts.kind, name: parts.objectName }, ['group', 'kind', 'name']),
};

const typeOf = (field: string): string =>
  field === 'urlRewrite' ? 'URLRewrite' : field === 'cors' ? 'CORS' : `${field[0]?.toUpperCase()}${field.slice(1)}`;

const SERVED = ['RequestHeaderModifier', 'ResponseHeaderModifier', 'RequestMirror'];
const SERVED_OF_HTTP = [...SERVED, 'RequestRedirect', 'URLRewrite', 'CORS'];

/** Types of filters that are served. A newer bundle may bring others, and what one would have checked must not pass without it. */
export const knownFilters = (routeKind: string): readonly string[] =>
  routeKind === 'HTTPRoute' ? SERVED_OF_HTTP : SERVED;

const REPEATED = ['CORS', 'RequestHeaderModifier', 'ResponseHeaderModifier', 'RequestRedirect', 'URLRewrite'];

/** @param fields those that a kind of route knows. */
export function filtersOf(fields: readonly string[]): JSONSchemaProps {
  const types = fields.map(typeOf);
  const filter = object(
    {
      type: parts.text({ enum: types }),
      ...Object.fromEntries(fields.map((field) => [field, schemas[field] ?? {}])),
    },
    ['type'],
    fields.flatMap((field) => [
      rule(
        `filter.${field} must be nil if the filter.type is not ${typeOf(field)}`,
        `!(has(self.${field}) && self.type != '${typeOf(field)}')`,
      ),
      rule(
        `filter.${field} must be specified for ${typeOf(field)} filter.type`,
        `!(!has(self.${field}) && self.type == '${typeOf(field)}')`,
      ),
    ]),
  );
  const repeated = REPEATED.filter((type) => types.includes(type)).map((type) =>
    rule(`${type} filter cannot be repeated`, `self.filter(f, f.type == '${type}').size() <= 1`),
  );
  const both = types.includes('URLRewrite')
    ? [
        rule(
          'May specify either httpRouteFilterRequestRedirect or httpRouteFilterRequestRewrite, but not both',
          "!(self.exists(f, f.type == 'RequestRedirect') && self.exists(f, f.type == 'URLRewrite'))",
        ),
      ]
    : [];
  return list(filter, { maxItems: 16, 'x-kubernetes-validations': [...both, ...repeated] });
}
