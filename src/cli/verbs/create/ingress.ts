/** `kedge create ingress`: which Services requests from outside are for. Source: kubectl, cmd/create. */
import { intOrStringIn } from '../integers.ts';
import type { Verb, VerbCall } from '../verb.ts';
import { VerbError } from '../verb-error.ts';
import { createObject, OBJECT_FLAGS, onlyName } from './created.ts';

/** `host/path=service:port,tls=secret`. */
const RULE = /^([\w*\-.]*)(\/[^=,]*)=([\w-]+):([\w-]+)(,(tls)=?([\w-]+)?)?/;

export const createIngressVerb: Verb = {
  name: 'ingress',
  aliases: ['ing'],
  summary: 'create an Ingress: which Services requests from outside are for',
  usage: 'NAME --rule=host/path=service:port[,tls[=secret]]',
  flags: [
    ...OBJECT_FLAGS,
    { name: 'class', type: 'string', summary: 'the IngressClass' },
    {
      name: 'rule',
      type: 'repeated',
      summary: 'HOST/PATH=SERVICE:PORT[,tls[=SECRET]]; a path that ends in * is a prefix',
    },
    { name: 'default-backend', type: 'string', summary: 'SERVICE:PORT for all other requests' },
    { name: 'annotation', type: 'repeated', summary: 'KEY=VALUE' },
  ],
  async run(call) {
    const metadata = { name: onlyName(call) };
    refuseOdd(call);
    const rules = call.flags.list('rule').map(ruleIn);
    const annotations = annotationsIn(call);
    return createObject(call, {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'Ingress',
      metadata: { ...(Object.keys(annotations).length > 0 && { annotations }), ...metadata },
      spec: specOf(call, rules),
      status: { loadBalancer: {} },
    });
  },
};

function refuseOdd({ flags }: VerbCall): void {
  const backend = flags.string('default-backend');
  if (!backend && flags.list('rule').length === 0)
    throw new VerbError(
      'not enough information provided: every ingress has to either specify a default-backend (which catches all traffic) or a list of rules (which catch specific paths)',
    );
  for (const rule of flags.list('rule'))
    if (!RULE.test(rule))
      throw new VerbError(`rule ${rule} is invalid and should be in format host/path=svcname:svcport[,tls[=secret]]`);
  for (const annotation of flags.list('annotation'))
    if (!annotation.includes('='))
      throw new VerbError(`annotation ${annotation} is invalid and should be in format key=[value]`);
  if (backend && backend.split(':').length !== 2)
    throw new VerbError('default-backend should be in format servicename:serviceport');
}

const annotationsIn = ({ flags }: VerbCall): Record<string, string> =>
  Object.fromEntries(
    flags.list('annotation').map((text) => [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)]),
  );

interface Rule {
  host: string;
  path: object;
  /** '' for the certificate that the controller has; undefined for none. */
  secret: string | undefined;
}

function ruleIn(text: string): Rule {
  const parts = text.split(',');
  const [target = ''] = parts;
  const slash = target.indexOf('/');
  const [path = '', service = ''] = target.slice(slash).split('=');
  const [, secret = ''] = parts.length === 2 ? parts[1]!.split('=') : [];
  return {
    host: target.slice(0, slash),
    path: {
      backend: backendIn(service),
      path: path.replace(/\*$/, ''),
      pathType: path.endsWith('*') ? 'Prefix' : 'Exact',
    },
    secret: parts.length === 2 ? secret : undefined,
  };
}

function backendIn(text: string): object {
  const [name = '', typed = ''] = text.split(':');
  const port = intOrStringIn(typed);
  // A port of the number 0 is none, and neither is one without a name.
  const given = typeof port === 'number' ? { number: port } : { name: port };
  return { service: { name, port: port ? given : {} } };
}

function specOf({ flags }: VerbCall, rules: readonly Rule[]): object {
  const [ingressClassName, backend] = [flags.string('class'), flags.string('default-backend')];
  const tls = certificatesOf(rules);
  return {
    ...(backend && { defaultBackend: backendIn(backend) }),
    ...(ingressClassName && { ingressClassName }),
    ...(rules.length > 0 && { rules: byHost(rules) }),
    ...(tls.length > 0 && { tls }),
  };
}

/** The paths of a host stand together, where the host comes first. */
function byHost(rules: readonly Rule[]): object[] {
  const hosts = new Map<string, object[]>();
  for (const { host, path } of rules) hosts.set(host, [...(hosts.get(host) ?? []), path]);
  return [...hosts].map(([host, paths]) => ({ ...(host && { host }), http: { paths } }));
}

/** Hosts with the same Secret stand together; the first rule of a host says which it is. */
function certificatesOf(rules: readonly Rule[]): object[] {
  const seen = new Set<string>();
  const secrets = new Map<string, string[]>();
  for (const { host, secret } of rules) {
    if (secret === undefined || seen.has(host)) continue;
    seen.add(host);
    const hosts = secrets.get(secret);
    if (hosts) hosts.push(host);
    else if (host || secret) secrets.set(secret, host ? [host] : []);
  }
  return [...secrets].map(([secretName, hosts]) => ({
    ...(hosts.length > 0 && { hosts }),
    ...(secretName && { secretName }),
  }));
}
