/** `kedge create service`: `clusterip`, `externalname`, `loadbalancer` and `nodeport`. */
import { dns1123Subdomain, portName, portNumber } from '#api/machinery/names.ts';
import type { FlagSpec } from '../flags.ts';
import type { Verb, VerbCall } from '../verb.ts';
import { VerbError } from '../verb-error.ts';
import { createObject, OBJECT_FLAGS, onlyName, refuseMissing } from './created.ts';

type ServiceType = 'ClusterIP' | 'ExternalName' | 'LoadBalancer' | 'NodePort';

interface Form {
  usage?: string;
  flags?: readonly FlagSpec[];
  /** Fields of the specification, in place of the usual ones. */
  fields?(call: VerbCall): object;
  /** Throws VerbError for what cannot be. */
  refuse?(call: VerbCall): void;
}

const TCP_FLAG: FlagSpec = { name: 'tcp', type: 'list', summary: 'PORT or PORT:TARGETPORT' };

function serviceVerb(type: ServiceType, { usage = 'NAME [--tcp=port:targetPort]', flags = [], ...form }: Form): Verb {
  return {
    name: type.toLowerCase(),
    summary: `create a Service of the type ${type}`,
    usage,
    flags: [...OBJECT_FLAGS, TCP_FLAG, ...flags],
    async run(call) {
      if (type === 'ExternalName') refuseMissing(call.flags, ['external-name']);
      const name = onlyName(call);
      (form.refuse ?? refuseNoPort)(call);
      return createObject(call, serviceOf(call, { type, name, fields: form.fields?.(call) ?? {} }), {
        told: `${type} service: `,
        neverSaved: true,
      });
    },
  };
}

function serviceOf(call: VerbCall, { type, name, fields }: { type: ServiceType; name: string; fields: object }) {
  const nodePort = type === 'NodePort' ? call.flags.int('node-port') : 0;
  const ports = call.flags.list('tcp').map((text) => ({
    name: text.replaceAll(':', '-'),
    ...(nodePort !== 0 && { nodePort }),
    ...portsIn(text),
    protocol: 'TCP',
  }));
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { labels: { app: name }, name },
    spec: { ...fields, ...(ports.length > 0 && { ports }), selector: { app: name }, type },
    status: { loadBalancer: {} },
  };
}

/** `80` or `80:http`. */
function portsIn(text: string): { port: number; targetPort: number | string } {
  const [first = '', target] = text.split(':');
  const port = portIn(first);
  if (target === undefined) return { port, targetPort: port };
  const isNumber = /^[-+]?\d+$/.test(target);
  const complaints = isNumber ? portNumber(Number(target)) : portName(target);
  if (complaints.length > 0) throw new VerbError(complaints.join(','));
  return { port, targetPort: isNumber ? Number(target) : target };
}

const MOST = 65535;

function portIn(text: string): number {
  const because = (why: string) => new VerbError(`strconv.ParseUint: parsing ${JSON.stringify(text)}: ${why}`);
  if (!/^\d+$/.test(text)) throw because('invalid syntax');
  if (Number(text) > MOST) throw because('value out of range');
  return Number(text);
}

function refuseNoPort({ flags }: VerbCall): void {
  if (flags.list('tcp').length === 0) throw new VerbError('at least one tcp port specifier must be provided');
}

const clusterIp = serviceVerb('ClusterIP', {
  flags: [{ name: 'clusterip', type: 'string', summary: 'the address; None for none' }],
  fields: ({ flags }) => (flags.string('clusterip') ? { clusterIP: flags.string('clusterip') } : {}),
  refuse: (call) => {
    if (call.flags.string('clusterip') !== 'None') refuseNoPort(call);
  },
});

const externalName = serviceVerb('ExternalName', {
  usage: 'NAME --external-name external.name',
  flags: [{ name: 'external-name', type: 'string', summary: 'the name outside that it stands for' }],
  fields: ({ flags }) => ({ externalName: flags.string('external-name') }),
  refuse: ({ flags }) => {
    const name = flags.string('external-name');
    if (dns1123Subdomain(name).length > 0) throw new VerbError(`invalid service external name ${name}`);
  },
});

const loadBalancer = serviceVerb('LoadBalancer', {});

const nodePort = serviceVerb('NodePort', {
  flags: [{ name: 'node-port', type: 'int', default: '0', summary: 'the port on each node' }],
});

export const createServiceVerb: Verb = {
  name: 'service',
  aliases: ['svc'],
  summary: 'create a Service',
  verbs: [clusterIp, externalName, loadBalancer, nodePort],
};
