/** What a Service uses of a quota: itself, ports of the nodes, and a load balancer. Source: "Resource Quotas". */
import type { Service } from '#api/generated/schema.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { isSameAmounts } from './amounts.ts';
import type { QuotaEvaluator } from './evaluator.ts';

const NAMES = ['count/services', 'services', 'services.nodeports', 'services.loadbalancers'];

export const serviceEvaluator: QuotaEvaluator = {
  handles: ({ subresource }) => subresource === '',
  isUsed: (name) => NAMES.includes(name),
  matchesScope: () => false,
  usage(object) {
    const { spec } = object as Service;
    const isBalanced = spec.type === 'LoadBalancer';
    return {
      'count/services': '1',
      services: '1',
      'services.nodeports': String(nodePortsOf(spec)),
      'services.loadbalancers': isBalanced ? '1' : '0',
    };
  },
  mayFree(next, current) {
    const used = (object: KubeObject) => serviceEvaluator.usage(object, 0);
    return !isSameAmounts(used(next), used(current));
  },
};

function nodePortsOf({ type, ports = [], allocateLoadBalancerNodePorts }: Service['spec']): number {
  if (type === 'NodePort') return ports.length;
  if (type !== 'LoadBalancer') return 0;
  return allocateLoadBalancerNodePorts === false ? ports.filter(({ nodePort }) => nodePort).length : ports.length;
}
