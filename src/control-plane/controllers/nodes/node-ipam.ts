/**
 * Gives every node a range of pod addresses out of the cluster's, one for each family, and never the same twice. Source:
 * upstream's pkg/controller/nodeipam, range allocator.
 */
import { Node } from '#api/core/v1/node.ts';
import { StatusError } from '#api/machinery/status.ts';
import { defineController, settled } from '../define-controller.ts';
import { NotYet } from '../errors.ts';
import { NodeRanges } from './node-ranges.ts';

export interface NodeIpamOptions {
  /** `10.244.0.0/16`, `fd00:10:244::/56`: one for each family. */
  clusterCIDRs: readonly string[];
  /** --service-cluster-ip-range: nodes get nothing of it. */
  serviceCIDRs?: readonly string[];
  /** --node-cidr-mask-size: the length of a node's prefix. */
  nodeMaskIPv4?: number;
  nodeMaskIPv6?: number;
}

/** In a row, before it is told and tried later. Source: upstream's cidrUpdateRetries. */
const TRIES = 3;

export const nodeIpam = ({ clusterCIDRs, serviceCIDRs = [], nodeMaskIPv4 = 24, nodeMaskIPv6 = 64 }: NodeIpamOptions) =>
  defineController(() => {
    const ranges = clusterCIDRs.map((cidr) => new NodeRanges(cidr, cidr.includes(':') ? nodeMaskIPv6 : nodeMaskIPv4));

    return {
      name: 'node-ipam-controller',
      serviceAccount: 'node-controller',
      eventSource: 'cidrAllocator',
      reconciles: Node,
      writes: { patch: [Node] },
      when: (now, before) => !now.spec.podCIDR && Boolean(before.spec.podCIDR),
      workers: 1, // two nodes at a time could be given the same range

      async reconcile(node, { cached, api, events }) {
        if (node.metadata.deletionTimestamp || rangesOf(node).length > 0) return settled;
        const { name } = node.metadata;
        const becomes = (state: string) => events.normal(node, state, `Node ${name} status is now: ${state}`);
        const taken = [...serviceCIDRs, ...cached(Node).list().flatMap(rangesOf)];
        const podCIDRs = ranges.map((range) => range.next(taken));
        const missing = podCIDRs.indexOf(undefined);
        if (missing >= 0) {
          becomes('CIDRNotAvailable');
          throw new NotYet(`failed to allocate cidr from cluster cidr at idx:${missing}: ${NONE_LEFT}`);
        }
        const patch = { type: 'strategic' as const, patch: { spec: { podCIDR: podCIDRs[0], podCIDRs } } };
        for (let tries = 1; ; tries++) {
          try {
            await api.patch(Node, { name }, patch);
            return settled;
          } catch (error) {
            if (!(error instanceof StatusError)) throw error;
            if (tries < TRIES) continue;
            becomes('CIDRAssignmentFailed');
            throw error;
          }
        }
      },
    };
  });

const NONE_LEFT = 'CIDR allocation failed; there are no remaining CIDRs left to allocate in the accepted range';

const rangesOf = ({ spec }: Node): readonly string[] => spec.podCIDRs ?? (spec.podCIDR ? [spec.podCIDR] : []);
