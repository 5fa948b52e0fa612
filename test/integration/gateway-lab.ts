/** The servers of the Ingress with what Gateways and their routes become. */
import type { Gateway, Listener } from '#api/gateway/v1/gateway.ts';
import type { HTTPRouteRule } from '#api/gateway/v1/http-route.ts';
import type { AnyRoute } from '#api/gateway/v1/route.ts';
import type { Secret, Service } from '#api/generated/schema.ts';
import { gatewayTableOf } from '#network/gateway/gateway-table.ts';
import { ingressLab } from './ingress-lab.ts';

export const http: Listener = { name: 'http', port: 80, protocol: 'HTTP' };
let age = 0;
export const named = (kind: string, name: string, spec: object) =>
  ({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind,
    metadata: {
      name,
      namespace: 'shop',
      creationTimestamp: `2026-01-01T00:00:${String(age++ % 60).padStart(2, '0')}Z`,
    },
    spec: kind === 'Gateway' ? spec : { parentRefs: [{ name: 'gate' }], ...spec },
  }) as unknown;
export const rule = (
  matches: HTTPRouteRule['matches'],
  to = 'web',
  more: Partial<HTTPRouteRule> = {},
): HTTPRouteRule => ({
  ...(matches && { matches }),
  backendRefs: [{ name: to, port: 80 }],
  ...more,
});
export const httpRoute = (name: string, rules: HTTPRouteRule[], hostnames?: string[]) =>
  named('HTTPRoute', name, { rules, ...(hostnames && { hostnames }) }) as AnyRoute;

export const plain = ({ address, port }: { address: string; port: number }) => ({ address, port });

export const path = (value: string, type: 'Exact' | 'PathPrefix' | 'RegularExpression' = 'PathPrefix') => ({
  path: { type, value },
});

export const tls = (name: string, hostname: string): Listener => ({
  name,
  port: 443,
  hostname,
  protocol: 'HTTPS',
  tls: { certificateRefs: [{ name }] },
});

export function gatewayLab() {
  const lab = ingressLab();
  const { change, mirror } = lab;

  /** Every Service exists; certificates are those that are told. */
  function serve(listeners: Listener[], routes: AnyRoute[], appProtocol?: string): void {
    const { ports: table } = gatewayTableOf({
      gateways: [named('Gateway', 'gate', { gatewayClassName: 'ours', listeners }) as Gateway],
      routes,
      grants: [],
      labelsOf: () => ({}),
      service: (key) =>
        key.endsWith('/none')
          ? undefined
          : ({ spec: { ports: [{ port: 80, ...(appProtocol && { appProtocol }) }] } } as unknown as Service),
      secret: () => ({ data: { 'tls.crt': 'LS0tLS1CRUdJTi', 'tls.key': 'LS0tLS1CRUdJTi' } }) as unknown as Secret,
    });
    change({ ports: [[443, null], ...table] });
  }
  const endpoints = async (...names: string[]) => {
    const found = await Promise.all(
      names.map(async (name) => [`shop/${name}:80`, [plain(await mirror(name))]] as const),
    );
    change({ endpoints: found });
  };
  return { ...lab, serve, endpoints };
}
