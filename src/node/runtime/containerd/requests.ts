/** From the domain's shapes to the CRI's messages, where they differ. */
import type { ContainerConfig } from '#node/runtime/container.ts';
import type { PodSandboxConfig } from '#node/runtime/pod-sandbox.ts';
import type { ContainerSecurityContext, SandboxSecurityContext } from '#node/runtime/security-context.ts';

/** A number that is told apart from absent. */
const wrapped = (value: number | undefined) => (value === undefined ? undefined : { value });

export function sandboxConfigMessage(config: PodSandboxConfig): object {
  const { cgroupParent, securityContext, sysctls } = config.linux;
  return {
    ...config,
    portMappings: config.portMappings.map(({ hostIP, ...mapping }) => ({ ...mapping, hostIp: hostIP })),
    linux: { cgroupParent, sysctls, securityContext: securityMessage(securityContext) },
  };
}

export function containerConfigMessage(config: ContainerConfig): object {
  const { capabilities } = config.linux.securityContext;
  return {
    ...config,
    image: { image: config.image },
    ...(config.cdiDevices && { cdiDevices: config.cdiDevices.map((name) => ({ name })) }),
    linux: {
      resources: config.linux.resources,
      securityContext: {
        ...securityMessage(config.linux.securityContext),
        ...(capabilities && {
          capabilities: { addCapabilities: capabilities.add, dropCapabilities: capabilities.drop },
        }),
      },
    },
  };
}

function securityMessage(context: SandboxSecurityContext | ContainerSecurityContext): object {
  const { seLinuxOptions, runAsUser, runAsGroup, ...same } = context;
  return {
    ...same,
    selinuxOptions: seLinuxOptions,
    runAsUser: wrapped(runAsUser),
    runAsGroup: wrapped(runAsGroup),
  };
}
