/**
 * The kubelet's device plugin API v1beta1; the form is `message-table.ts`. Numbers are from kubernetes/kubelet,
 * deviceplugin/v1beta1/api.proto.
 */
import protobuf from 'protobufjs/light.js';
import { type Codec, codecOf, messagesJson } from '#node/runtime/message-table.ts';

const messages: Record<string, string> = {
  Empty: '',
  DevicePluginOptions: 'preStartRequired bool 1, getPreferredAllocationAvailable bool 2',
  RegisterRequest: 'version string 1, endpoint string 2, resourceName string 3, options DevicePluginOptions 4',
  NUMANode: 'ID int64 1',
  TopologyInfo: 'nodes NUMANode* 1',
  Device: 'ID string 1, health string 2, topology TopologyInfo 3',
  ListAndWatchResponse: 'devices Device* 1',
  ContainerAllocateRequest: 'devicesIds string* 1',
  AllocateRequest: 'containerRequests ContainerAllocateRequest* 1',
  Mount: 'containerPath string 1, hostPath string 2, readOnly bool 3',
  DeviceSpec: 'containerPath string 1, hostPath string 2, permissions string 3',
  CDIDevice: 'name string 1',
  ContainerAllocateResponse:
    'envs map 1, mounts Mount* 2, devices DeviceSpec* 3, annotations map 4, cdiDevices CDIDevice* 5',
  AllocateResponse: 'containerResponses ContainerAllocateResponse* 1',
  ContainerPreferredAllocationRequest:
    'availableDeviceIDs string* 1, mustIncludeDeviceIDs string* 2, allocationSize int32 3',
  PreferredAllocationRequest: 'containerRequests ContainerPreferredAllocationRequest* 1',
  ContainerPreferredAllocationResponse: 'deviceIDs string* 1',
  PreferredAllocationResponse: 'containerResponses ContainerPreferredAllocationResponse* 1',
  PreStartContainerRequest: 'devicesIds string* 1',
  PreStartContainerResponse: '',
};

const calls = {
  Register: ['Registration', 'RegisterRequest', 'Empty'],
  GetDevicePluginOptions: ['DevicePlugin', 'Empty', 'DevicePluginOptions'],
  ListAndWatch: ['DevicePlugin', 'Empty', 'ListAndWatchResponse'],
  GetPreferredAllocation: ['DevicePlugin', 'PreferredAllocationRequest', 'PreferredAllocationResponse'],
  Allocate: ['DevicePlugin', 'AllocateRequest', 'AllocateResponse'],
  PreStartContainer: ['DevicePlugin', 'PreStartContainerRequest', 'PreStartContainerResponse'],
} as const;
export type DevicePluginCall = keyof typeof calls;

let types: protobuf.Root | undefined;

/** For a client as for a plugin. */
export function devicePluginCodecs(call: DevicePluginCall): { path: string; request: Codec; response: Codec } {
  types ??= protobuf.Root.fromJSON({ nested: { v1beta1: { nested: messagesJson(messages) } } });
  const [service, request, response] = calls[call];
  const codec = (name: string) => codecOf(types!.lookupType(`v1beta1.${name}`));
  return { path: `/v1beta1.${service}/${call}`, request: codec(request), response: codec(response) };
}
