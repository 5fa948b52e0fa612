/** HTTPRoute: which requests go to which Services, and what is changed on the way. Source: Gateway API reference. */
import type { JSONSchemaProps } from '#api/generated/schema.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { clientKind } from './client-kind.ts';
import type { BackendReference, ParentReference, RouteStatus } from './route.ts';
import { filtersOf, METHODS, type RouteFilter } from './route-filter.ts';
import { backendRef, keyed, list, object, parts, routeDefinition, rule, weight } from './schema-parts.ts';

export interface ValueMatch {
  type?: 'Exact' | 'RegularExpression';
  name: string;
  value: string;
}

export interface HTTPRouteMatch {
  path?: { type?: 'Exact' | 'PathPrefix' | 'RegularExpression'; value?: string };
  headers?: ValueMatch[];
  queryParams?: ValueMatch[];
  method?: string;
}

export interface FilteredBackend extends BackendReference {
  filters?: RouteFilter[];
}

export interface HTTPRouteRule {
  name?: string;
  matches?: HTTPRouteMatch[];
  filters?: RouteFilter[];
  backendRefs?: FilteredBackend[];
  timeouts?: { request?: string; backendRequest?: string };
}

export interface HTTPRoute extends KubeObject {
  apiVersion: 'gateway.networking.k8s.io/v1';
  kind: 'HTTPRoute';
  spec: { parentRefs?: ParentReference[]; hostnames?: string[]; rules?: HTTPRouteRule[] };
  status?: RouteStatus;
}

export const HTTPRoute = clientKind<HTTPRoute>('HTTPRoute', 'httproutes');

const WHICH = "type one of ['Exact', 'PathPrefix']";
const IS_TEXT = "(self.type in ['Exact','PathPrefix'])";
const PATH_TEXT = "^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$";
const ANY_PATH = { type: 'PathPrefix', value: '/' };

const path: JSONSchemaProps = {
  ...object(
    {
      type: parts.text({ enum: ['Exact', 'PathPrefix', 'RegularExpression'], default: 'PathPrefix' }),
      value: parts.text({ maxLength: 1024, default: '/' }),
    },
    [],
    [
      rule(
        `value must be an absolute path and start with '/' when ${WHICH}`,
        `${IS_TEXT} ? self.value.startsWith('/') : true`,
      ),
      ...['//', '/./', '/../', '%2f', '%2F', '#'].map((part) =>
        rule(`must not contain '${part}' when ${WHICH}`, `${IS_TEXT} ? !self.value.contains('${part}') : true`),
      ),
      ...['/..', '/.'].map((end) =>
        rule(`must not end with '${end}' when ${WHICH}`, `${IS_TEXT} ? !self.value.endsWith('${end}') : true`),
      ),
      rule(
        `must only contain valid characters (matching ${PATH_TEXT}) for types ['Exact', 'PathPrefix']`,
        `${IS_TEXT} ? self.value.matches(r"""${PATH_TEXT}""") : true`,
      ),
    ],
  ),
  default: ANY_PATH,
};

export const valueMatch = (maxLength: number): JSONSchemaProps =>
  keyed(
    'name',
    object(
      {
        type: parts.text({ enum: ['Exact', 'RegularExpression'], default: 'Exact' }),
        name: parts.headerName,
        value: parts.text({ minLength: 1, maxLength }),
      },
      ['name', 'value'],
    ),
    { maxItems: 16 },
  );

const match = object({
  path,
  headers: valueMatch(4096),
  queryParams: valueMatch(1024),
  method: parts.text({ enum: METHODS }),
});

const filters = filtersOf([
  'requestHeaderModifier',
  'responseHeaderModifier',
  'requestMirror',
  'requestRedirect',
  'urlRewrite',
  'extensionRef',
  'cors',
]);

const ONE_PREFIX =
  "(size(self.matches) != 1 || !has(self.matches[0].path) || self.matches[0].path.type != 'PathPrefix') ? false : true";
const replaces = (field: string): string =>
  `f, has(f.${field}) && has(f.${field}.path) && f.${field}.path.type == 'ReplacePrefixMatch' && has(f.${field}.path.replacePrefixMatch)`;
const prefixRules = [
  ['RequestRedirect', 'requestRedirect'],
  ['URLRewrite', 'urlRewrite'],
].map(([type, field = '']) =>
  rule(
    `When using ${type} filter with path.replacePrefixMatch, exactly one PathPrefix match must be specified`,
    `(has(self.filters) && self.filters.exists_one(${replaces(field)})) ? (${ONE_PREFIX}) : true`,
  ),
);

const MOST_RULES = 16;
const matchesInAll = Array.from(
  { length: MOST_RULES },
  (_, i) => `(self.size() > ${i} ? self[${i}].matches.size() : 0)`,
).join(' + ');
export const FEW_MATCHES = (sum: string) =>
  rule(
    'While 16 rules and 64 matches per rule are allowed, the total number of matches across all rules in a route must be less than 128',
    `${sum} <= 128`,
  );

const routeRule = object(
  {
    name: parts.sectionName,
    matches: list(match, { maxItems: 64, default: [{ path: ANY_PATH }] }),
    filters,
    backendRefs: list(backendRef({ weight, filters }), { maxItems: 16 }),
    timeouts: object(
      { request: parts.duration, backendRequest: parts.duration },
      [],
      [
        rule(
          'backendRequest timeout cannot be longer than request timeout',
          "!(has(self.request) && has(self.backendRequest) && duration(self.request) != duration('0s') && duration(self.backendRequest) > duration(self.request))",
        ),
      ],
    ),
  },
  [],
  [
    rule(
      'RequestRedirect filter must not be used together with backendRefs',
      '(has(self.backendRefs) && size(self.backendRefs) > 0) ? (!has(self.filters) || self.filters.all(f, !has(f.requestRedirect))): true',
    ),
    ...prefixRules,
  ],
);

export const httpRouteDefinition = routeDefinition({
  kind: 'HTTPRoute',
  plural: 'httproutes',
  versions: ['v1', 'v1beta1'],
  rules: list(routeRule, {
    minItems: 1,
    maxItems: MOST_RULES,
    default: [{ matches: [{ path: ANY_PATH }] }],
    'x-kubernetes-validations': [FEW_MATCHES(matchesInAll)],
  }),
});
