/** Which rule of which Ingress or Gateway takes a request, by the table that its carriers use, and which certificate its host shows. */
import { X509Certificate } from 'node:crypto';
import type { Ingress } from '#api/generated/schema.ts';
import { keyOf } from '#api/machinery/object.ts';
import { classOf } from '#api/networking/v1/ingress.ts';
import { INGRESS_CLASS, INGRESS_CONTROLLER } from '#api/networking/v1/kedge-ingress.ts';
import { normalPath } from '#network/ingress/arrival.ts';
import { Certificates } from '#network/ingress/certificates.ts';
import { findRoute, namesFor } from '#network/ingress/find-route.ts';
import { mostSpecific, type PortListeners } from '#network/ingress/listeners.ts';
import { type HostRoutes, type Route, routeTableOf } from '#network/ingress/route-table.ts';
import { gatewayPort } from './gateway-port.ts';
import { breaks, fewOf, type Hop, passes, unknown } from './hop.ts';
import { isUnseen, type Known } from './known.ts';

export interface Routed {
  hops: Hop[];
  /** undefined: it ends here. */
  route: Route | undefined;
}

/** What the Ingress makes of a request for that host and path. */
export function ingressHops({ hostname, port, path, query, isSecure }: Asked, known: Known): Routed {
  const ours = known.lists.ingresses.filter((ingress) => isOurs(ingress, known));
  const table = routeTableOf(ours).hosts;
  const gateway = gatewayPort(port, known);
  const listeners = table.has(hostname) ? undefined : gateway.listeners;
  const tls = isSecure ? certificatesOf({ table, listeners, secrets: gateway.secrets }, hostname, known) : [];
  const asked = normalPath(path);
  const found = asked === undefined ? undefined : routeFor(table, { hostname, path: asked, query }, listeners);
  if (!found || asked === undefined) {
    const who = known.lists.gateways.length > 0 ? 'no Ingress and no Gateway' : 'no Ingress';
    const hop = breaks('ingress', `${who} takes the host ${hostname}`, nobodysHost(hostname, known, ours));
    return { hops: [...tls, hop], route: undefined };
  }
  const host = hostText(table, found.host, hostname);
  if (!found.route) {
    const paths = found.host.routes.map(({ path: at, type }) => `${at} (${type})`);
    const why = paths.length > 0 ? `its paths are ${fewOf(paths, 5)}` : 'no rule has a path for it';
    const next = `add a path to an Ingress of ${host}, or a default backend`;
    return {
      hops: [...tls, breaks('ingress', `no rule of ${host} takes the path ${asked}`, { why, next })],
      route: undefined,
    };
  }
  const { route, rewritten } = found;
  const hasCertificate = namesFor(hostname).some((name) => table.get(name)?.certificate !== undefined);
  const details = optionTexts(route, { isSecure, hasCertificate, rewritten });
  const says = `${route.owner.includes(' ') ? route.owner : `Ingress ${route.owner}`}, host ${host}, path ${route.path} (${route.type})${whyChosen(found.host, route, asked)}`;
  const hop =
    backendsOf(route).length > 0
      ? passes('ingress', says, details)
      : breaks('ingress', says, { why: whyNoBackend(route), details });
  return { hops: [...tls, hop], route: backendsOf(route).length > 0 ? route : undefined };
}

/** Those that have a share of its requests. */
export const backendsOf = ({ backend, split }: Route): string[] =>
  split
    ? split.flatMap((each) => (each.weight > 0 && each.backend !== undefined ? [each.backend] : []))
    : backend === undefined
      ? []
      : [backend];

const whyNoBackend = ({ split }: Route): string =>
  split
    ? 'what its backendRefs mean is not there, or no ReferenceGrant allows it'
    : 'its backend is no Service; nobody here serves others';

export interface Asked {
  hostname: string;
  port: number;
  path: string;
  /** With its `?`, or empty. */
  query: string;
  isSecure: boolean;
}

/** As the carriers ask their table, for a plain GET. */
const routeFor = (
  hosts: ReadonlyMap<string, HostRoutes>,
  of: { hostname: string; path: string; query: string },
  port?: PortListeners,
) => findRoute({ hosts, port }, { ...of, method: 'GET', headers: {} });

const isOurs = (ingress: Ingress, { lists }: Known): boolean =>
  controllerOf(ingress, lists.classes) === INGRESS_CONTROLLER;

function controllerOf(ingress: Ingress, classes: Known['lists']['classes']): string | undefined {
  const name = classOf(ingress);
  return classes.find(({ metadata }) => metadata.name === name)?.spec.controller;
}

const namesHost = ({ spec }: Ingress, hostname: string): boolean =>
  (spec.rules ?? []).some(({ host = '' }) => namesFor(hostname).includes(host.toLowerCase()));

function nobodysHost(hostname: string, { lists }: Known, ours: readonly Ingress[]): { why: string; next?: string } {
  const others = lists.ingresses.filter((ingress) => !ours.includes(ingress) && namesHost(ingress, hostname));
  const [other] = others;
  if (other) {
    const name = classOf(other);
    const controller = controllerOf(other, lists.classes);
    const text = name
      ? controller
        ? `its class ${name} is for the controller ${controller}`
        : `there is no IngressClass ${JSON.stringify(name)}`
      : 'it has no class';
    const next = controller ? undefined : `set spec.ingressClassName: ${INGRESS_CLASS}`;
    return { why: `Ingress ${keyOf(other)} names it, but ${text}`, ...(next && { next }) };
  }
  const hosts = [...new Set(ours.flatMap(({ spec }) => (spec.rules ?? []).flatMap(({ host }) => host || [])))].sort();
  const why = hosts.length > 0 ? `there are rules for ${fewOf(hosts, 5)}` : 'there is no Ingress with a rule';
  return { why, next: `add a rule with host: ${hostname}` };
}

function hostText(table: ReadonlyMap<string, HostRoutes>, wanted: HostRoutes, asked: string): string {
  for (const [name, host] of table) if (host === wanted) return name || 'any';
  return asked;
}

/** Why this one, where another would have done as well. */
function whyChosen({ routes }: HostRoutes, route: Route, path: string): string {
  const others = routes.filter((each) => each !== route && each.type !== 'Regex' && takes(each, path));
  if (others.length === 0) return '';
  const isExact = route.type === 'Exact' && others.some((each) => each.path === route.path);
  return isExact ? ', exact before prefix' : `, the longest of ${others.length + 1} that match`;
}

const takes = (route: Route, path: string): boolean =>
  routeFor(new Map([['', { routes: [route] }]]), { hostname: 'any', path, query: '' })?.route !== undefined;

function optionTexts(
  { options, canary, split }: Route,
  {
    isSecure,
    hasCertificate,
    rewritten,
  }: { isSecure: boolean; hasCertificate: boolean; rewritten: string | undefined },
): string[] {
  const redirects = !isSecure && (options.forceSslRedirect || (options.sslRedirect && hasCertificate));
  return [
    ...(redirects ? ['answers with a redirect to https, which is traced on'] : []),
    ...(options.redirect ? [`answers ${options.redirect.code} to ${options.redirect.to}`] : []),
    ...(rewritten === undefined ? [] : [`the backend sees the path ${rewritten}`]),
    ...(options.allowedSources.length > 0 ? [`only clients from ${fewOf(options.allowedSources)}`] : []),
    ...(options.deniedSources.length > 0 ? [`no clients from ${fewOf(options.deniedSources)}`] : []),
    ...(options.affinity ? [`a client stays with its endpoint by the cookie ${options.affinity.cookie}`] : []),
    ...(options.hashBy ? [`the endpoint is chosen by ${options.hashBy}`] : []),
    ...(split && split.length > 1
      ? [
          `its requests are shared: ${split.map(({ backend, weight }) => `${backend ?? 'nobody'} ${weight}`).join(', ')}`,
        ]
      : []),
    ...(canary ? [`a canary, ${canary.backend}, takes some of the requests`] : []),
  ];
}

/** Whether the server would send this request to https. */
export const isRedirected = ({ options }: Route, hops: { hostname: string; known: Known }): boolean => {
  const table = routeTableOf(hops.known.lists.ingresses.filter((ingress) => isOurs(ingress, hops.known))).hosts;
  const hasCertificate = namesFor(hops.hostname).some((name) => table.get(name)?.certificate !== undefined);
  return options.forceSslRedirect || (options.sslRedirect && hasCertificate);
};

interface Shown {
  table: ReadonlyMap<string, HostRoutes>;
  /** Of Gateways, where the host is no Ingress's. */
  listeners: PortListeners | undefined;
  /** That listeners of Gateways want to show. */
  secrets: readonly string[];
}

function certificatesOf({ table, listeners, secrets }: Shown, hostname: string, known: Known): Hop[] {
  if (table.has(hostname)) return certificateHops(table, hostname, known);
  const listener = listeners?.isTls ? mostSpecific(listeners.listeners, hostname) : undefined;
  if (listener && listener.certificates.length === 0) return []; // passed on as it is
  const wanted = listener?.certificates ?? secrets;
  if (wanted.length === 0) return certificateHops(table, hostname, known);
  const hops = wanted.flatMap((id) => secretHop(id, hostname, known) ?? []);
  const [best] = [...hops.filter(({ state }) => state === 'passes'), ...hops];
  return best ? [best] : [];
}

function certificateHops(table: ReadonlyMap<string, HostRoutes>, hostname: string, known: Known): Hop[] {
  const hops: Hop[] = [];
  for (const name of namesFor(hostname)) {
    const id = table.get(name)?.certificate;
    if (id === undefined) continue;
    const hop = secretHop(id, hostname, known);
    if (hop) hops.push(hop);
    if (hop?.state !== 'breaks') return hops;
  }
  if (hops.length > 0) return hops;
  const why = 'no Ingress has a tls entry for this host, so that a certificate of nobody is shown';
  return [
    breaks('certificate', `no certificate for ${hostname}`, { why, next: 'add spec.tls with this host and a Secret' }),
  ];
}

function secretHop(id: string, hostname: string, known: Known): Hop | undefined {
  const [namespace = '', name = ''] = id.split('/');
  const found = known.find({ type: 'secret', namespace, name });
  if (!found) return undefined;
  const make = `kubectl -n ${namespace} create secret tls ${name} --cert=FILE --key=FILE`;
  if (isUnseen(found)) {
    const says = `Secret ${id}`;
    if (!found.isMissing) return unknown('certificate', says, found.unseen);
    return breaks('certificate', says, {
      why: 'there is no such Secret; a certificate of nobody is shown',
      next: make,
    });
  }
  if (!found.certificate || !found.key)
    return breaks('certificate', `Secret ${id}`, { why: 'it has no tls.crt, or no tls.key', next: make });
  const complaint = new Certificates().put(id, found);
  if (complaint !== undefined)
    return breaks('certificate', `Secret ${id}`, {
      why: `its certificate or key cannot be used: ${complaint}`,
      next: make,
    });
  const certificate = new X509Certificate(found.certificate);
  const ends = Date.parse(certificate.validTo);
  const until = new Date(ends).toISOString().slice(0, 10);
  if (ends < known.lists.nowMs)
    return breaks('certificate', `Secret ${id}`, { why: `its certificate ended on ${until}`, next: 'renew it' });
  if (!certificate.checkHost(hostname)) {
    const names = certificate.subjectAltName ?? certificate.subject;
    return breaks('certificate', `Secret ${id}`, { why: `its certificate is not for ${hostname} but for ${names}` });
  }
  return passes('certificate', `Secret ${id}, for ${hostname} until ${until}`);
}
