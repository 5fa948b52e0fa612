/** The kubelet's PodResources API v1; the form is `message-table.ts`. Numbers are from kubernetes/kubelet, apis/podresources/v1/api.proto. */
import protobuf from 'protobufjs/light.js';
import { type Codec, codecOf, messagesJson } from '#node/runtime/message-table.ts';

const messages: Record<string, string> = {
  AllocatableResourcesRequest: '',
  AllocatableResourcesResponse: 'devices ContainerDevices* 1, cpu_ids int64* 2, memory ContainerMemory* 3',
  ListPodResourcesRequest: '',
  ListPodResourcesResponse: 'pod_resources PodResources* 1',
  PodResources: 'name string 1, namespace string 2, containers ContainerResources* 3',
  ContainerResources:
    'name string 1, devices ContainerDevices* 2, cpu_ids int64* 3, memory ContainerMemory* 4, dynamic_resources DynamicResource* 5',
  ContainerMemory: 'memory_type string 1, size uint64 2, topology TopologyInfo 3',
  ContainerDevices: 'resource_name string 1, device_ids string* 2, topology TopologyInfo 3',
  TopologyInfo: 'nodes NUMANode* 1',
  NUMANode: 'ID int64 1',
  DynamicResource: 'claim_name string 2, claim_namespace string 3, claim_resources ClaimResource* 4',
  ClaimResource: 'cdi_devices CDIDevice* 1, driver_name string 2, pool_name string 3, device_name string 4',
  CDIDevice: 'name string 1',
  GetPodResourcesRequest: 'pod_name string 1, pod_namespace string 2',
  GetPodResourcesResponse: 'pod_resources PodResources 1',
};

const calls = {
  List: ['ListPodResourcesRequest', 'ListPodResourcesResponse'],
  GetAllocatableResources: ['AllocatableResourcesRequest', 'AllocatableResourcesResponse'],
  Get: ['GetPodResourcesRequest', 'GetPodResourcesResponse'],
} as const;
export type PodResourcesCall = keyof typeof calls;
export const POD_RESOURCES_CALLS = Object.keys(calls) as PodResourcesCall[];

let types: protobuf.Root | undefined;

/** For the kubelet as for who asks. */
export function podResourcesCodecs(call: PodResourcesCall): { path: string; request: Codec; response: Codec } {
  types ??= protobuf.Root.fromJSON({ nested: { v1: { nested: messagesJson(messages) } } });
  const [request, response] = calls[call];
  const codec = (name: string) => codecOf(types!.lookupType(`v1.${name}`));
  return { path: `/v1.PodResourcesLister/${call}`, request: codec(request), response: codec(response) };
}
