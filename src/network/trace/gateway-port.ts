/** What Gateways listen for at a port, as the carriers of their traffic have it. */
import { GATEWAY_CONTROLLER } from '#api/gateway/v1/kedge-gateway.ts';
import type { Secret } from '#api/generated/schema.ts';
import { keyOf } from '#api/machinery/object.ts';
import { gatewayTableOf } from '#network/gateway/gateway-table.ts';
import type { PortListeners } from '#network/ingress/listeners.ts';
import { isUnseen, type Known } from './known.ts';

/** undefined: none of ours listens there. `secrets`: those that listeners want to show, `namespace/name`. */
export function gatewayPort(port: number, known: Known): { listeners: PortListeners | undefined; secrets: string[] } {
  const { gateways, gatewayClasses, routes, grants, services, namespaces } = known.lists;
  const ours = gateways.filter(({ spec }) =>
    gatewayClasses.some(
      (each) => each.metadata.name === spec.gatewayClassName && each.spec.controllerName === GATEWAY_CONTROLLER,
    ),
  );
  if (ours.length === 0) return { listeners: undefined, secrets: [] };
  const { ports, certificates } = gatewayTableOf({
    gateways: ours,
    routes,
    grants,
    labelsOf: (name) => namespaces.find(({ metadata }) => metadata.name === name)?.metadata.labels,
    service: (key) => services.find((each) => keyOf(each) === key),
    secret: (key) => secretAt(key, known),
  });
  return { listeners: ports.get(port), secrets: [...certificates] };
}

function secretAt(key: string, known: Known): Secret | undefined {
  const [namespace = '', name = ''] = key.split('/');
  const found = known.find({ type: 'secret', namespace, name });
  if (!found || isUnseen(found)) return undefined;
  const data = Object.fromEntries(
    Object.entries({ 'tls.crt': found.certificate, 'tls.key': found.key }).map(([file, text]) => [
      file,
      Buffer.from(text).toString('base64'),
    ]),
  );
  return { apiVersion: 'v1', kind: 'Secret', metadata: { namespace, name }, type: 'kubernetes.io/tls', data } as Secret;
}

/** Of a Gateway, at which it is reached. */
export const gatewayAddresses = ({ lists }: Known): string[] =>
  lists.gateways.flatMap(({ status }) => (status?.addresses ?? []).flatMap(({ value }) => value ?? []));
