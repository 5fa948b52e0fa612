/**
 * The part of the CRI's messages that Kedge uses: `name type number`, separated by commas. `*` marks a list, `map` a
 * map of strings, a capital letter another message. Numbers are from kubernetes/cri-api, runtime/v1/api.proto.
 */
export const criEnums: Record<string, readonly string[]> = {
  Protocol: ['TCP', 'UDP', 'SCTP'],
  MountPropagation: ['PROPAGATION_PRIVATE', 'PROPAGATION_HOST_TO_CONTAINER', 'PROPAGATION_BIDIRECTIONAL'],
  NamespaceMode: ['POD', 'CONTAINER', 'NODE', 'TARGET'],
  SupplementalGroupsPolicy: ['Merge', 'Strict'],
  ProfileType: ['RuntimeDefault', 'Unconfined', 'Localhost'],
  PodSandboxState: ['SANDBOX_READY', 'SANDBOX_NOTREADY'],
  ContainerState: ['CONTAINER_CREATED', 'CONTAINER_RUNNING', 'CONTAINER_EXITED', 'CONTAINER_UNKNOWN'],
};

export const criMessages: Record<string, string> = {
  VersionRequest: 'version string 1',
  VersionResponse: 'version string 1, runtimeName string 2, runtimeVersion string 3, runtimeApiVersion string 4',
  StatusRequest: 'verbose bool 1',
  StatusResponse: 'status RuntimeStatus 1, runtimeHandlers RuntimeHandler* 3, features RuntimeFeatures 4',
  RuntimeFeatures: 'supplementalGroupsPolicy bool 1',
  RuntimeStatus: 'conditions RuntimeCondition* 1',
  RuntimeCondition: 'type string 1, status bool 2, reason string 3, message string 4',
  RuntimeHandler: 'name string 1, features RuntimeHandlerFeatures 2',
  RuntimeHandlerFeatures: 'recursiveReadOnlyMounts bool 1, userNamespaces bool 2',

  Int64Value: 'value int64 1',
  UInt64Value: 'value uint64 1',
  DNSConfig: 'servers string* 1, searches string* 2, options string* 3',
  PortMapping: 'protocol Protocol 1, containerPort int32 2, hostPort int32 3, hostIp string 4',
  Mount:
    'containerPath string 1, hostPath string 2, readonly bool 3, selinuxRelabel bool 4, propagation MountPropagation 5, ' +
    'uidMappings IDMapping* 6, gidMappings IDMapping* 7, recursiveReadOnly bool 8',
  IDMapping: 'hostId uint32 1, containerId uint32 2, length uint32 3',
  UserNamespace: 'mode NamespaceMode 1, uids IDMapping* 2, gids IDMapping* 3',
  NamespaceOption:
    'network NamespaceMode 1, pid NamespaceMode 2, ipc NamespaceMode 3, targetId string 4, usernsOptions UserNamespace 5',
  SecurityProfile: 'profileType ProfileType 1, localhostRef string 2',
  SELinuxOption: 'user string 1, role string 2, type string 3, level string 4',
  Capability: 'addCapabilities string* 1, dropCapabilities string* 2',
  LinuxSandboxSecurityContext:
    'namespaceOptions NamespaceOption 1, selinuxOptions SELinuxOption 2, runAsUser Int64Value 3, readonlyRootfs bool 4, ' +
    'supplementalGroups int64* 5, privileged bool 6, runAsGroup Int64Value 8, seccomp SecurityProfile 9, ' +
    'apparmor SecurityProfile 10, supplementalGroupsPolicy SupplementalGroupsPolicy 11',
  LinuxPodSandboxConfig: 'cgroupParent string 1, securityContext LinuxSandboxSecurityContext 2, sysctls map 3',
  PodSandboxMetadata: 'name string 1, uid string 2, namespace string 3, attempt uint32 4',
  PodSandboxConfig:
    'metadata PodSandboxMetadata 1, hostname string 2, logDirectory string 3, dnsConfig DNSConfig 4, ' +
    'portMappings PortMapping* 5, labels map 6, annotations map 7, linux LinuxPodSandboxConfig 8',
  RunPodSandboxRequest: 'config PodSandboxConfig 1, runtimeHandler string 2',
  RunPodSandboxResponse: 'podSandboxId string 1',
  StopPodSandboxRequest: 'podSandboxId string 1',
  StopPodSandboxResponse: '',
  RemovePodSandboxRequest: 'podSandboxId string 1',
  RemovePodSandboxResponse: '',
  PodSandboxStatusRequest: 'podSandboxId string 1, verbose bool 2',
  PodIP: 'ip string 1',
  PodSandboxNetworkStatus: 'ip string 1, additionalIps PodIP* 2',
  PodSandboxStatus:
    'id string 1, metadata PodSandboxMetadata 2, state PodSandboxState 3, createdAt int64 4, ' +
    'network PodSandboxNetworkStatus 5, labels map 7, annotations map 8',
  PodSandboxStatusResponse: 'status PodSandboxStatus 1',
  PodSandboxStateValue: 'state PodSandboxState 1',
  PodSandboxFilter: 'id string 1, state PodSandboxStateValue 2, labelSelector map 3',
  ListPodSandboxRequest: 'filter PodSandboxFilter 1',
  PodSandbox:
    'id string 1, metadata PodSandboxMetadata 2, state PodSandboxState 3, createdAt int64 4, labels map 5, ' +
    'annotations map 6',
  ListPodSandboxResponse: 'items PodSandbox* 1',

  ImageSpec: 'image string 1, annotations map 2, userSpecifiedImage string 18, runtimeHandler string 19',
  KeyValue: 'key string 1, value string 2',
  LinuxContainerResources:
    'cpuPeriod int64 1, cpuQuota int64 2, cpuShares int64 3, memoryLimitInBytes int64 4, oomScoreAdj int64 5, ' +
    'cpusetCpus string 6, cpusetMems string 7, unified map 9',
  LinuxContainerSecurityContext:
    'capabilities Capability 1, privileged bool 2, namespaceOptions NamespaceOption 3, selinuxOptions SELinuxOption 4, ' +
    'runAsUser Int64Value 5, runAsUsername string 6, readonlyRootfs bool 7, supplementalGroups int64* 8, ' +
    'noNewPrivs bool 11, runAsGroup Int64Value 12, maskedPaths string* 13, readonlyPaths string* 14, ' +
    'seccomp SecurityProfile 15, apparmor SecurityProfile 16, supplementalGroupsPolicy SupplementalGroupsPolicy 17',
  LinuxContainerConfig: 'resources LinuxContainerResources 1, securityContext LinuxContainerSecurityContext 2',
  ContainerMetadata: 'name string 1, attempt uint32 2',
  Device: 'containerPath string 1, hostPath string 2, permissions string 3',
  ContainerConfig:
    'metadata ContainerMetadata 1, image ImageSpec 2, command string* 3, args string* 4, workingDir string 5, ' +
    'envs KeyValue* 6, mounts Mount* 7, devices Device* 8, labels map 9, annotations map 10, logPath string 11, stdin bool 12, ' +
    'stdinOnce bool 13, tty bool 14, linux LinuxContainerConfig 15, cdiDevices CDIDevice* 17',
  CDIDevice: 'name string 1',
  CreateContainerRequest: 'podSandboxId string 1, config ContainerConfig 2, sandboxConfig PodSandboxConfig 3',
  CreateContainerResponse: 'containerId string 1',
  StartContainerRequest: 'containerId string 1',
  StartContainerResponse: '',
  StopContainerRequest: 'containerId string 1, timeout int64 2',
  StopContainerResponse: '',
  RemoveContainerRequest: 'containerId string 1',
  RemoveContainerResponse: '',
  ContainerStateValue: 'state ContainerState 1',
  ContainerFilter: 'id string 1, state ContainerStateValue 2, podSandboxId string 3, labelSelector map 4',
  ListContainersRequest: 'filter ContainerFilter 1',
  Container:
    'id string 1, podSandboxId string 2, metadata ContainerMetadata 3, image ImageSpec 4, imageRef string 5, ' +
    'state ContainerState 6, createdAt int64 7, labels map 8, annotations map 9',
  ListContainersResponse: 'containers Container* 1',
  ContainerStatusRequest: 'containerId string 1, verbose bool 2',
  ContainerResources: 'linux LinuxContainerResources 1',
  ContainerStatus:
    'id string 1, metadata ContainerMetadata 2, state ContainerState 3, createdAt int64 4, startedAt int64 5, ' +
    'finishedAt int64 6, exitCode int32 7, image ImageSpec 8, imageRef string 9, reason string 10, message string 11, ' +
    'labels map 12, annotations map 13, mounts Mount* 14, logPath string 15, resources ContainerResources 16, ' +
    'user ContainerUser 18',
  ContainerUser: 'linux LinuxContainerUser 1',
  LinuxContainerUser: 'uid int64 1, gid int64 2, supplementalGroups int64* 3',
  ContainerStatusResponse: 'status ContainerStatus 1',
  UpdateContainerResourcesRequest: 'containerId string 1, linux LinuxContainerResources 2',
  UpdateContainerResourcesResponse: '',
  CheckpointContainerRequest: 'containerId string 1, location string 2, timeout int64 3',
  CheckpointContainerResponse: '',
  ReopenContainerLogRequest: 'containerId string 1',
  ReopenContainerLogResponse: '',

  ExecSyncRequest: 'containerId string 1, cmd string* 2, timeout int64 3',
  ExecSyncResponse: 'stdout bytes 1, stderr bytes 2, exitCode int32 3',
  ExecRequest: 'containerId string 1, cmd string* 2, tty bool 3, stdin bool 4, stdout bool 5, stderr bool 6',
  ExecResponse: 'url string 1',
  AttachRequest: 'containerId string 1, stdin bool 2, tty bool 3, stdout bool 4, stderr bool 5',
  AttachResponse: 'url string 1',
  PortForwardRequest: 'podSandboxId string 1, port int32* 2',
  PortForwardResponse: 'url string 1',

  ContainerStatsFilter: 'id string 1, podSandboxId string 2, labelSelector map 3',
  ListContainerStatsRequest: 'filter ContainerStatsFilter 1',
  ListContainerStatsResponse: 'stats ContainerStats* 1',
  ContainerAttributes: 'id string 1, metadata ContainerMetadata 2, labels map 3, annotations map 4',
  ContainerStats:
    'attributes ContainerAttributes 1, cpu CpuUsage 2, memory MemoryUsage 3, writableLayer FilesystemUsage 4',
  CpuUsage: 'timestamp int64 1, usageCoreNanoSeconds UInt64Value 2',
  MemoryUsage:
    'timestamp int64 1, workingSetBytes UInt64Value 2, availableBytes UInt64Value 3, usageBytes UInt64Value 4, ' +
    'rssBytes UInt64Value 5, pageFaults UInt64Value 6, majorPageFaults UInt64Value 7',
  FilesystemIdentifier: 'mountpoint string 1',
  FilesystemUsage: 'timestamp int64 1, fsId FilesystemIdentifier 2, usedBytes UInt64Value 3, inodesUsed UInt64Value 4',

  ListImagesRequest: '',
  Image:
    'id string 1, repoTags string* 2, repoDigests string* 3, size uint64 4, uid Int64Value 5, username string 6, ' +
    'pinned bool 8',
  ListImagesResponse: 'images Image* 1',
  ImageStatusRequest: 'image ImageSpec 1, verbose bool 2',
  ImageStatusResponse: 'image Image 1',
  AuthConfig:
    'username string 1, password string 2, auth string 3, serverAddress string 4, identityToken string 5, ' +
    'registryToken string 6',
  PullImageRequest: 'image ImageSpec 1, auth AuthConfig 2, sandboxConfig PodSandboxConfig 3',
  PullImageResponse: 'imageRef string 1',
  RemoveImageRequest: 'image ImageSpec 1',
  RemoveImageResponse: '',
  ImageFsInfoRequest: '',
  ImageFsInfoResponse: 'imageFilesystems FilesystemUsage* 1',
};

/** Each call's messages are `<Call>Request` and `<Call>Response`. */
export const criCalls = {
  RuntimeService: [
    'Version',
    'Status',
    'RunPodSandbox',
    'StopPodSandbox',
    'RemovePodSandbox',
    'PodSandboxStatus',
    'ListPodSandbox',
    'CreateContainer',
    'StartContainer',
    'StopContainer',
    'RemoveContainer',
    'ListContainers',
    'ContainerStatus',
    'UpdateContainerResources',
    'ReopenContainerLog',
    'CheckpointContainer',
    'ExecSync',
    'Exec',
    'Attach',
    'PortForward',
    'ListContainerStats',
  ],
  ImageService: ['ListImages', 'ImageStatus', 'PullImage', 'RemoveImage', 'ImageFsInfo'],
} as const;

export type CriCall = (typeof criCalls)['RuntimeService' | 'ImageService'][number];

/** containerd's own event service, on the same socket. Source: containerd, api/services/events/v1/events.proto. */
export const eventMessages: Record<string, string> = {
  SubscribeRequest: 'filters string* 1',
  Timestamp: 'seconds int64 1, nanos int32 2',
  Any: 'typeUrl string 1, value bytes 2',
  Envelope: 'timestamp Timestamp 1, namespace string 2, topic string 3, event Any 4',
};
