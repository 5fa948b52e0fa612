/** `kedge cluster-info`: where the control plane and the services that belong to the cluster are. */
import type { Service } from '#api/generated/schema.ts';
import { pathOf } from './served-resources.ts';
import type { Verb } from './verb.ts';
import { unexpected } from './verb-error.ts';

const NAME = 'kubernetes.io/name';

export const clusterInfoVerb: Verb = {
  name: 'cluster-info',
  summary: 'tell where the cluster is',
  async run({ cluster, io, args, path }) {
    if (args.length > 0) throw unexpected(`unknown command ${JSON.stringify(args[0])}`, path);
    const resource = (await cluster.resources()).named('services');
    const query = { labelSelector: 'kubernetes.io/cluster-service=true' };
    const services = await cluster.get<{ items: Service[] }>(pathOf(resource, { namespace: 'kube-system', query }));
    io.out(`Kubernetes control plane is running at ${cluster.server}\n`);
    for (const { metadata, spec } of services.items) {
      const name = metadata.labels?.[NAME] ?? metadata.name;
      const [port] = spec.ports ?? [];
      const scheme = port && (port.name === 'https' || port.port === 443) ? 'https:' : '';
      const at = `${scheme}${metadata.name}:${port?.name ?? ''}`
        .replace(/^:/, '')
        .replace(/:$/, port?.name ? '$&' : '');
      io.out(`${name} is running at ${cluster.server}/api/v1/namespaces/${metadata.namespace}/services/${at}/proxy\n`);
    }
    const [program = ''] = path.split(' ');
    io.out(`\nTo further debug and diagnose cluster problems, use '${program} cluster-info dump'.\n`);
  },
};
