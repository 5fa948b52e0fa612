/** The sandbox of a pod, as the runtime is told of it. */
import { join } from 'node:path';
import type { Pod } from '#api/generated/schema.ts';
import type { PodSandboxConfig } from '#node/runtime/pod-sandbox.ts';
import type { UserNamespace } from '#node/runtime/security-context.ts';
import { type DnsFacts, dnsConfigOf } from './dns-config.ts';
import { hostnameOf } from './etc-hosts.ts';
import { podCgroupPath } from './quality-of-service.ts';
import { podAnnotations, podLabels } from './runtime-labels.ts';
import { type SecurityFacts, sandboxSecurity } from './security-context.ts';

export interface SandboxFacts {
  nodeName: string;
  hostIPs: readonly string[];
  dns: DnsFacts;
  security: SecurityFacts;
  /** e.g. `/var/log/pods` */
  logRoot: string;
  /** e.g. `/kubepods` */
  cgroupRoot: string;
}

/** With what is one pod's own. */
export interface SandboxInputs extends SandboxFacts {
  users: UserNamespace;
}

export const podLogFolder = (logRoot: string, { metadata }: Pick<Pod, 'metadata'>): string =>
  join(logRoot, `${metadata.namespace}_${metadata.name}_${metadata.uid}`);
export const containerLogPath = (containerName: string, restartCount: number): string =>
  join(containerName, `${restartCount}.log`);

export function sandboxConfigOf(pod: Pod, attempt: number, facts: SandboxInputs): PodSandboxConfig {
  const { metadata, spec } = pod;
  return {
    metadata: { name: metadata.name, uid: metadata.uid, namespace: metadata.namespace ?? '', attempt },
    hostname: spec.hostNetwork
      ? ''
      : hostnameOf(pod, { nodeName: facts.nodeName, clusterDomain: facts.dns.clusterDomain }),
    logDirectory: podLogFolder(facts.logRoot, pod),
    dnsConfig: dnsConfigOf(pod, facts.dns),
    portMappings: spec.containers.flatMap(({ ports = [] }) =>
      ports.map(({ protocol, containerPort, hostPort = 0, hostIP = '' }) => ({
        protocol,
        containerPort,
        hostPort,
        hostIP,
      })),
    ),
    labels: podLabels(pod),
    annotations: podAnnotations(pod),
    linux: {
      cgroupParent: podCgroupPath(facts.cgroupRoot, pod),
      securityContext: sandboxSecurity(pod, facts),
      sysctls: Object.fromEntries((spec.securityContext?.sysctls ?? []).map(({ name, value }) => [name, value])),
    },
  };
}
