/**
 * The part of CSI v1 and of the kubelet's plugin registration v1 that a node needs; the form is `message-table.ts`. Numbers
 * are from container-storage-interface/spec, csi.proto, and kubernetes/kubelet, pluginregistration/v1/api.proto.
 */
export const csiEnums: Record<string, readonly string[]> = {
  Mode: [
    'UNKNOWN_MODE',
    'SINGLE_NODE_WRITER',
    'SINGLE_NODE_READER_ONLY',
    'MULTI_NODE_READER_ONLY',
    'MULTI_NODE_SINGLE_WRITER',
    'MULTI_NODE_MULTI_WRITER',
    'SINGLE_NODE_SINGLE_WRITER',
    'SINGLE_NODE_MULTI_WRITER',
  ],
  RpcType: [
    'UNKNOWN',
    'STAGE_UNSTAGE_VOLUME',
    'GET_VOLUME_STATS',
    'EXPAND_VOLUME',
    'VOLUME_CONDITION',
    'SINGLE_NODE_MULTI_WRITER',
    'VOLUME_MOUNT_GROUP',
  ],
  Unit: ['UNKNOWN', 'BYTES', 'INODES'],
};

export const csiMessages: Record<string, string> = {
  MountVolume: 'fsType string 1, mountFlags string* 2, volumeMountGroup string 3',
  AccessMode: 'mode Mode 1',
  BlockVolume: '',
  VolumeCapability: 'block BlockVolume 1, mount MountVolume 2, accessMode AccessMode 3',
  CapacityRange: 'requiredBytes int64 1, limitBytes int64 2',
  Topology: 'segments map 1',

  GetPluginInfoRequest: '',
  GetPluginInfoResponse: 'name string 1, vendorVersion string 2',
  NodeGetInfoRequest: '',
  NodeGetInfoResponse: 'nodeId string 1, maxVolumesPerNode int64 2, accessibleTopology Topology 3',
  Rpc: 'type RpcType 1',
  NodeServiceCapability: 'rpc Rpc 1',
  NodeGetCapabilitiesRequest: '',
  NodeGetCapabilitiesResponse: 'capabilities NodeServiceCapability* 1',
  NodeStageVolumeRequest:
    'volumeId string 1, publishContext map 2, stagingTargetPath string 3, volumeCapability VolumeCapability 4, ' +
    'secrets map 5, volumeContext map 6',
  NodeStageVolumeResponse: '',
  NodeUnstageVolumeRequest: 'volumeId string 1, stagingTargetPath string 2',
  NodeUnstageVolumeResponse: '',
  NodePublishVolumeRequest:
    'volumeId string 1, publishContext map 2, stagingTargetPath string 3, targetPath string 4, ' +
    'volumeCapability VolumeCapability 5, readonly bool 6, secrets map 7, volumeContext map 8',
  NodePublishVolumeResponse: '',
  NodeUnpublishVolumeRequest: 'volumeId string 1, targetPath string 2',
  NodeUnpublishVolumeResponse: '',
  NodeExpandVolumeRequest:
    'volumeId string 1, volumePath string 2, capacityRange CapacityRange 3, stagingTargetPath string 4, ' +
    'volumeCapability VolumeCapability 5, secrets map 6',
  NodeExpandVolumeResponse: 'capacityBytes int64 1',
  NodeGetVolumeStatsRequest: 'volumeId string 1, volumePath string 2, stagingTargetPath string 3',
  VolumeUsage: 'available int64 1, total int64 2, used int64 3, unit Unit 4',
  NodeGetVolumeStatsResponse: 'usage VolumeUsage* 1',
};

export const registrationMessages: Record<string, string> = {
  InfoRequest: '',
  PluginInfo: 'type string 1, name string 2, endpoint string 3, supportedVersions string* 4',
  RegistrationStatus: 'pluginRegistered bool 1, error string 2',
  RegistrationStatusResponse: '',
};

interface Call {
  path: string;
  request: string;
  response: string;
}

const nodeCall = (name: string): Call => ({
  path: `/csi.v1.Node/${name}`,
  request: `csi.v1.${name}Request`,
  response: `csi.v1.${name}Response`,
});

/** By name: where it is served, and its messages. */
export const csiCalls = {
  NodeGetInfo: nodeCall('NodeGetInfo'),
  NodeGetCapabilities: nodeCall('NodeGetCapabilities'),
  NodeStageVolume: nodeCall('NodeStageVolume'),
  NodeUnstageVolume: nodeCall('NodeUnstageVolume'),
  NodePublishVolume: nodeCall('NodePublishVolume'),
  NodeUnpublishVolume: nodeCall('NodeUnpublishVolume'),
  NodeExpandVolume: nodeCall('NodeExpandVolume'),
  NodeGetVolumeStats: nodeCall('NodeGetVolumeStats'),
  GetInfo: {
    path: '/pluginregistration.Registration/GetInfo',
    request: 'pluginregistration.InfoRequest',
    response: 'pluginregistration.PluginInfo',
  },
  NotifyRegistrationStatus: {
    path: '/pluginregistration.Registration/NotifyRegistrationStatus',
    request: 'pluginregistration.RegistrationStatus',
    response: 'pluginregistration.RegistrationStatusResponse',
  },
} satisfies Record<string, Call>;

export type CsiCall = keyof typeof csiCalls;
