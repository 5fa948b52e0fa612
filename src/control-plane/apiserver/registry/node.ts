/**
 * `nodes/NAME/proxy/…` leads to the kubelet, which sees the API server ask: the right to it is the right to all that
 * the kubelet can do.
 */
import type { Node } from '#api/core/v1/node.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { admissionRequest, type Reply, type ResourceCall } from '../resource-call.ts';
import type { Behaviour, VerbServices } from './behaviour.ts';
import { kubeletOf } from './node-address.ts';
import { proxied } from './pod-connect.ts';
import { proxyTarget, refuseOwnAddress } from './proxy-target.ts';

export const nodeBehaviour: Behaviour<Node> = {
  group: '',
  plural: 'nodes',
  subresources: { proxy: { '*': proxyNode } },
};

async function proxyNode(call: ResourceCall, services: VerbServices): Promise<Reply> {
  const { scheme, id, port } = proxyTarget(call.info.name);
  const options = { kind: 'NodeProxyOptions', apiVersion: 'v1', metadata: {} } as unknown as KubeObject;
  const request = admissionRequest(call, { verb: 'connect', object: options, dryRun: false });
  await services.admission.mutate(request);
  await services.admission.validate(request);
  const kubelet = await kubeletOf(id, services);
  const isKubelet = port === '' || Number(port) === kubelet.port;
  if (!isKubelet) refuseOwnAddress(kubelet.host);
  const target = proxied(call, { host: kubelet.host, port: isKubelet ? kubelet.port : port, scheme });
  return { code: 200, forward: isKubelet ? { ...target, security: 'kubelet', serverName: kubelet.nodeName } : target };
}
