/** Ingresses in number: the first at the host that is asked for, each other at one of its own. */
import type { Ingress } from '#api/networking/v1/ingress.ts';

export const ingressesFor = (count: number, host: string): Ingress[] =>
  Array.from({ length: count }, (_, i) => ingressAt(`web-${i}`, i === 0 ? host : `${i}.${host}`));

export const ingressAt = (name: string, host: string, path = '/'): Ingress =>
  ({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name, namespace: 'shop' },
    spec: {
      ingressClassName: 'nginx',
      rules: [
        {
          host,
          http: { paths: [{ path, pathType: 'Prefix', backend: { service: { name: 'web', port: { number: 80 } } } }] },
        },
      ],
    },
  }) as Ingress;
