/** `kedge expose`: a Service for the pods of a workload, of a pod or of another Service. */
import type { KubeObject } from '#api/machinery/object.ts';
import { createObject, OBJECT_FLAGS } from './create/created.ts';
import { fileFlags, type ManifestObject } from './manifests.ts';
import { targetsOf } from './targets.ts';
import type { Verb, VerbCall } from './verb.ts';
import { throwIfAny, VerbError } from './verb-error.ts';
import { fieldManagerFlag } from './writing.ts';

const MAX_NAME = 63;
const KINDS = ['Deployment', 'Pod', 'ReplicaSet', 'ReplicationController', 'Service'];

export const exposeVerb: Verb = {
  name: 'expose',
  summary: 'make a Service for pods that there are',
  usage: '(-f FILENAME | TYPE NAME) [--port=PORT] [--target-port=PORT]',
  flags: [
    ...fileFlags('to expose'),
    ...OBJECT_FLAGS.filter(({ name }) => name !== 'field-manager'),
    fieldManagerFlag('kubectl-expose'),
    { name: 'name', type: 'string', summary: "the Service's name" },
    { name: 'port', type: 'string', summary: 'the port of the Service; that of the pods unless told' },
    { name: 'target-port', type: 'string', summary: 'number or name of the port of the pods' },
    { name: 'protocol', type: 'string', summary: 'TCP, UDP or SCTP' },
    { name: 'type', type: 'string', summary: 'ClusterIP, NodePort, LoadBalancer or ExternalName' },
    { name: 'cluster-ip', type: 'string', summary: 'the address, or None' },
    { name: 'external-ip', type: 'string', summary: 'a further address' },
    { name: 'session-affinity', type: 'string', summary: 'None or ClientIP' },
    { name: 'pod-selector', type: 'string', summary: 'labels of the pods, in place of those that they have' },
    { name: 'labels', short: 'l', type: 'string', summary: 'labels of the Service' },
  ],
  async run(call) {
    const { targets, errors } = await targetsOf(call, { latest: true, singleType: true });
    throwIfAny(errors);
    for (const { object, resource, name } of targets) {
      if (!KINDS.includes(resource.kind))
        throw new VerbError(`cannot expose a ${resource.group ? `${resource.kind}.${resource.group}` : resource.kind}`);
      await createObject(call, serviceFor(call, object as Exposed, name));
    }
  },
};

interface Port {
  name?: string;
  port: number;
  protocol?: string;
}

type Labels = Record<string, string>;

type Exposed = KubeObject & {
  spec: {
    selector?: Labels & { matchLabels?: Labels; matchExpressions?: unknown[] };
    template?: { spec: PodPorts };
    ports?: Port[];
  } & Partial<PodPorts>;
};

interface PodPorts {
  containers: { ports?: { containerPort: number; protocol?: string }[] }[];
}

function serviceFor({ flags }: VerbCall, object: Exposed, name: string): ManifestObject {
  const selector = flags.string('pod-selector') ? pairs(flags.string('pod-selector')) : selectorOf(object);
  const found = portsOf(object);
  const given = flags.string('port').split(',').filter(Boolean);
  if (given.length === 0 && found.length === 0)
    throw new VerbError("couldn't find port via --port flag or introspection");
  const noNumber = given.find((port) => !/^[-+]?\d+$/.test(port));
  if (noNumber !== undefined) throw new VerbError(`strconv.Atoi: parsing ${JSON.stringify(noNumber)}: invalid syntax`);
  const affinity = flags.string('session-affinity');
  if (!['', 'None', 'ClientIP'].includes(affinity)) throw new VerbError(`unknown session affinity: ${affinity}`);
  const protocol = flags.string('protocol');
  const ports =
    given.length > 0
      ? given.map(Number).map((port) => ({ port, protocol: found.find((one) => one.port === port)?.protocol }))
      : found;
  const target = flags.string('target-port');
  const labels = flags.string('labels') ? pairs(flags.string('labels')) : object.metadata.labels;
  const optional = (field: string, flag: string) => (flags.string(flag) ? { [field]: flags.string(flag) } : {});
  const spec = {
    ports: ports.map((one, index) => ({
      ...(ports.length > 1 && { name: `port-${index + 1}` }),
      protocol: protocol || one.protocol || 'TCP',
      port: one.port,
      targetPort: target ? (/^\d+$/.test(target) ? Number(target) : target) : one.port,
    })),
    selector,
    ...optional('clusterIP', 'cluster-ip'),
    ...optional('type', 'type'),
    ...(flags.string('external-ip') && { externalIPs: [flags.string('external-ip')] }),
    ...optional('sessionAffinity', 'session-affinity'),
  };
  const metadata = {
    name: flags.string('name') || name.slice(0, MAX_NAME),
    ...(labels && { labels }),
  };
  return { apiVersion: 'v1', kind: 'Service', metadata, spec, status: { loadBalancer: {} } } as ManifestObject;
}

function portsOf({ spec }: Exposed): Port[] {
  if (spec.ports) return spec.ports.map(({ port, protocol }) => ({ port, ...(protocol && { protocol }) }));
  const { containers = [] } = spec.template?.spec ?? spec;
  return containers.flatMap(({ ports = [] }) =>
    ports.map(({ containerPort, protocol }) => ({ port: containerPort, ...(protocol && { protocol }) })),
  );
}

function selectorOf(object: Exposed): Labels {
  const { selector } = object.spec;
  const refused = (why: string) =>
    new VerbError(`couldn't retrieve selectors via --selector flag or introspection: ${why}`);
  if (object.kind === 'Pod') {
    if (!object.metadata.labels) throw refused('the pod has no labels and cannot be exposed');
    return object.metadata.labels;
  }
  if (!selector && object.kind === 'Service') throw refused('the service has no pod selector set');
  if (!selector) throw refused(`invalid ${object.kind.toLowerCase()}: no selectors, therefore cannot be exposed`);
  if (object.kind === 'Service' || object.kind === 'ReplicationController') return selector;
  if (selector.matchExpressions?.length)
    throw refused(
      `couldn't convert expressions - "${JSON.stringify(selector.matchExpressions)}" to map-based selector format`,
    );
  return selector.matchLabels ?? {};
}

const pairs = (text: string): Labels =>
  Object.fromEntries(
    text.split(',').map((pair) => {
      const at = pair.indexOf('=');
      if (at <= 0) throw new VerbError(`unexpected label spec: ${pair}`);
      return [pair.slice(0, at), pair.slice(at + 1)] as const;
    }),
  );
