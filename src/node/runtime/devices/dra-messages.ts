/**
 * The kubelet's API for drivers of ResourceClaims, v1 and v1beta1, which are alike but for their name; the form is
 * `message-table.ts`. Numbers are from kubernetes/kubelet, apis/dra/v1/api.proto.
 */
import protobuf from 'protobufjs/light.js';
import { type Codec, codecOf, messagesJson } from '#node/runtime/message-table.ts';

const messages: Record<string, string> = {
  Claim: 'namespace string 1, uid string 2, name string 3',
  Device: 'requestNames string* 1, poolName string 2, deviceName string 3, cdiDeviceIds string* 4',
  NodePrepareResourcesRequest: 'claims Claim* 1',
  NodePrepareResourceResponse: 'devices Device* 1, error string 2',
  NodePrepareResourcesResponse: 'claims map/NodePrepareResourceResponse 1',
  NodeUnprepareResourcesRequest: 'claims Claim* 1',
  NodeUnprepareResourceResponse: 'error string 1',
  NodeUnprepareResourcesResponse: 'claims map/NodeUnprepareResourceResponse 1',
};

export type DraCall = 'NodePrepareResources' | 'NodeUnprepareResources';
/** As a driver names it among its `supportedVersions`. */
export type DraService = 'v1.DRAPlugin' | 'v1beta1.DRAPlugin';

let types: protobuf.Root | undefined;

/** For the kubelet as for a driver. */
export function draCodecs(service: DraService, call: DraCall): { path: string; request: Codec; response: Codec } {
  types ??= protobuf.Root.fromJSON({ nested: { dra: { nested: messagesJson(messages) } } });
  const codec = (name: string) => codecOf(types!.lookupType(`dra.${name}`));
  return {
    path: `/k8s.io.kubelet.pkg.apis.dra.${service}/${call}`,
    request: codec(`${call}Request`),
    response: codec(`${call}Response`),
  };
}
