/** What lies behind a table of routes. */
import type { PortListeners } from './listeners.ts';
import type { SourcedTable } from './route-source.ts';
import type { HostRoutes, Route } from './route-table.ts';

/** `namespace/name` of the Service that a backend is a port of. */
export const serviceOf = (backend: string): string => backend.slice(0, backend.lastIndexOf(':'));

/** Every Service's port that a request may be sent to, copies included. */
export function backendsOf({
  hosts = new Map<string, HostRoutes>(),
  ports = new Map<number, PortListeners>(),
}: SourcedTable): string[] {
  const listeners = [...ports.values()].flatMap((port) => [...port.listeners.values()]);
  const all = [...hosts.values(), ...listeners.flatMap((listener) => [...listener.hosts.values()])];
  const passed = listeners.flatMap(({ passthrough }) => [...passthrough.values()].flatMap(({ split }) => split));
  return [
    ...all.flatMap(({ routes }) => routes.flatMap(backendsOfRoute)),
    ...passed.flatMap(({ backend }) => backend ?? []),
  ];
}

const backendsOfRoute = ({ backend, canary, split = [], filters, options }: Route): string[] => [
  ...(options.auth?.backend ? [options.auth.backend] : []),
  ...(options.mirror?.backend ? [options.mirror.backend] : []),
  ...(backend ? [backend] : []),
  ...(canary?.backend ? [canary.backend] : []),
  ...split.flatMap((one) => [...(one.backend ? [one.backend] : []), ...mirrorsOf(one.filters)]),
  ...mirrorsOf(filters),
];
const mirrorsOf = (filters: Route['filters']): string[] => (filters?.mirrors ?? []).map(({ backend }) => backend);
