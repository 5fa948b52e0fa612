/** Gateway: where traffic comes in: ports, hostnames and certificates, and which routes may use them. Source: Gateway API reference. */
import type { Condition, LabelSelector } from '#api/generated/schema.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { clientKind } from './client-kind.ts';
import {
  awaited,
  certificateRef,
  conditions,
  definition,
  GROUP,
  keyed,
  list,
  object,
  parts,
  rule,
  selector,
  texts,
} from './schema-parts.ts';

export interface ObjectReference {
  group?: string;
  kind?: string;
  name: string;
  namespace?: string;
}

export interface RouteKind {
  group?: string;
  kind: string;
}

export interface Listener {
  name: string;
  hostname?: string;
  port: number;
  /** HTTP, HTTPS, TLS, TCP, UDP, or one of somebody's own. */
  protocol: string;
  tls?: { mode?: 'Terminate' | 'Passthrough'; certificateRefs?: ObjectReference[]; options?: Record<string, string> };
  allowedRoutes?: {
    namespaces?: { from?: 'All' | 'Selector' | 'Same'; selector?: LabelSelector };
    kinds?: RouteKind[];
  };
}

export interface GatewayAddress {
  type?: string;
  value?: string;
}

export interface ListenerStatus {
  name: string;
  supportedKinds: RouteKind[];
  attachedRoutes: number;
  conditions: Condition[];
}

export interface GatewayStatus {
  addresses?: GatewayAddress[];
  conditions?: Condition[];
  listeners?: ListenerStatus[];
}

export interface Gateway extends KubeObject {
  apiVersion: 'gateway.networking.k8s.io/v1';
  kind: 'Gateway';
  spec: { gatewayClassName: string; listeners: Listener[]; addresses?: GatewayAddress[] };
  status?: GatewayStatus;
}

export const Gateway = clientKind<Gateway>('Gateway', 'gateways');

const HOSTNAME = '^(\\*\\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$';
const addressType = parts.text({
  minLength: 1,
  maxLength: 253,
  default: 'IPAddress',
  pattern:
    "^Hostname|IPAddress|NamedAddress|[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\\/[A-Za-z0-9\\/\\-._~%!$&'()*+,;=:]+$",
});

const address = {
  ...object(
    { type: addressType, value: parts.text({ maxLength: 253 }) },
    [],
    [
      rule(
        `Hostname value must be empty or contain only valid characters (matching ${HOSTNAME})`,
        `self.type == 'Hostname' ? (!has(self.value) || self.value.matches(r"""${HOSTNAME}""")): true`,
      ),
    ],
  ),
};
const unique = (type: string) =>
  rule(
    `${type} values must be unique`,
    `self.all(a1, a1.type == '${type}' && has(a1.value) ? self.exists_one(a2, a2.type == a1.type && has(a2.value) && a2.value == a1.value) : true)`,
  );

const routeKind = object({ group: { ...parts.group, default: GROUP }, kind: parts.kind }, ['kind']);
const SAME = { namespaces: { from: 'Same' } };

const listener = object(
  {
    name: parts.sectionName,
    hostname: parts.hostname,
    port: parts.integer(1, 65535),
    protocol: parts.text({
      minLength: 1,
      maxLength: 255,
      pattern:
        '^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$|[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\\/[A-Za-z0-9]+$',
    }),
    tls: object(
      {
        mode: parts.text({ enum: ['Terminate', 'Passthrough'], default: 'Terminate' }),
        certificateRefs: list(certificateRef, { maxItems: 64 }),
        options: { type: 'object', additionalProperties: parts.text({ maxLength: 4096 }), maxProperties: 16 },
      },
      [],
      [
        rule(
          'certificateRefs or options must be specified when mode is Terminate',
          "self.mode == 'Terminate' ? (has(self.certificateRefs) && size(self.certificateRefs) > 0) || (has(self.options) && size(self.options) > 0) : true",
        ),
      ],
    ),
    allowedRoutes: {
      ...object({
        namespaces: {
          ...object({ from: parts.text({ enum: ['All', 'Selector', 'Same'], default: 'Same' }), selector }),
          default: SAME.namespaces,
        },
        kinds: list(routeKind, { maxItems: 8 }),
      }),
      default: SAME,
    },
  },
  ['name', 'port', 'protocol'],
);

const listeners = keyed('name', listener, {
  minItems: 1,
  maxItems: 64,
  'x-kubernetes-validations': [
    rule(
      "tls must not be specified for protocols ['HTTP', 'TCP', 'UDP']",
      "self.all(l, l.protocol in ['HTTP', 'TCP', 'UDP'] ? !has(l.tls) : true)",
    ),
    rule(
      'tls mode must be Terminate for protocol HTTPS',
      "self.all(l, (l.protocol == 'HTTPS' && has(l.tls)) ? (l.tls.mode == '' || l.tls.mode == 'Terminate') : true)",
    ),
    rule(
      'tls mode must be set for protocol TLS',
      "self.all(l, (l.protocol == 'TLS' ? has(l.tls) && has(l.tls.mode) && l.tls.mode != '' : true))",
    ),
    rule(
      "hostname must not be specified for protocols ['TCP', 'UDP']",
      "self.all(l, l.protocol in ['TCP', 'UDP'] ? (!has(l.hostname) || l.hostname == '') : true)",
    ),
    rule('Listener name must be unique within the Gateway', 'self.all(l1, self.exists_one(l2, l1.name == l2.name))'),
    rule(
      'Combination of port, protocol and hostname must be unique for each listener',
      'self.all(l1, self.exists_one(l2, l1.port == l2.port && l1.protocol == l2.protocol && (has(l1.hostname) && has(l2.hostname) ? l1.hostname == l2.hostname : !has(l1.hostname) && !has(l2.hostname))))',
    ),
  ],
});

const pending = awaited('Accepted', 'Programmed');

export const gatewayDefinition = definition({
  kind: 'Gateway',
  plural: 'gateways',
  shortNames: ['gtw'],
  versions: ['v1', 'v1beta1'],
  columns: [
    { name: 'Class', type: 'string', jsonPath: '.spec.gatewayClassName' },
    { name: 'Address', type: 'string', jsonPath: '.status.addresses[*].value' },
    { name: 'Programmed', type: 'string', jsonPath: '.status.conditions[?(@.type=="Programmed")].status' },
  ],
  schema: object(
    {
      spec: object(
        {
          gatewayClassName: parts.objectName,
          listeners,
          addresses: list(address, {
            maxItems: 16,
            'x-kubernetes-validations': [unique('IPAddress'), unique('Hostname')],
          }),
          infrastructure: object({
            labels: texts({ maxProperties: 8 }),
            annotations: texts({ maxProperties: 16 }),
            parametersRef: object({ group: parts.group, kind: parts.kind, name: parts.objectName }, [
              'group',
              'kind',
              'name',
            ]),
          }),
        },
        ['gatewayClassName', 'listeners'],
      ),
      status: {
        ...object({
          addresses: list(
            object({ type: addressType, value: parts.text({ minLength: 1, maxLength: 253 }) }, ['value']),
            {
              maxItems: 16,
            },
          ),
          conditions: conditions({ default: pending }),
          listeners: keyed(
            'name',
            object(
              {
                name: parts.sectionName,
                supportedKinds: list(routeKind, { maxItems: 8 }),
                attachedRoutes: { type: 'integer', format: 'int32' },
                conditions: conditions(),
              },
              ['attachedRoutes', 'conditions', 'name'],
            ),
            { maxItems: 64 },
          ),
        }),
        default: { conditions: pending },
      },
    },
    ['spec'],
  ),
});
