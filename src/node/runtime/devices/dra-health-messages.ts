/**
 * How well devices are, as drivers of ResourceClaims tell it (v1alpha1, which v1.36 has); the form is `message-table.ts`.
 * Numbers are from kubernetes/kubelet, apis/dra-health/v1alpha1/api.proto.
 */
import protobuf from 'protobufjs/light.js';
import { type Codec, codecOf, enumsJson, messagesJson } from '#node/runtime/message-table.ts';

const enums = { HealthStatus: ['UNKNOWN', 'HEALTHY', 'UNHEALTHY'] };
const messages: Record<string, string> = {
  NodeWatchResourcesRequest: '',
  NodeWatchResourcesResponse: 'devices DeviceHealth* 1',
  DeviceHealth:
    'device DeviceIdentifier 1, health HealthStatus 2, lastUpdatedTime int64 3, healthCheckTimeoutSeconds int64 4, ' +
    'message string 5',
  DeviceIdentifier: 'poolName string 1, deviceName string 2',
};

let types: protobuf.Root | undefined;

/** For the kubelet as for a driver. */
export function healthCodecs(): { path: string; request: Codec; response: Codec } {
  types ??= protobuf.Root.fromJSON({ nested: { ...enumsJson(enums), ...messagesJson(messages) } });
  const codec = (name: string) => codecOf(types!.lookupType(name));
  return {
    path: '/v1alpha1.DRAResourceHealth/NodeWatchResources',
    request: codec('NodeWatchResourcesRequest'),
    response: codec('NodeWatchResourcesResponse'),
  };
}
