/** Containers of a pod: what they get when they do not say. */
import type { Container, ContainerPort, EnvVar, EphemeralContainer, Submitted } from '#api/generated/schema.ts';
import { defaultLifecycle, defaultProbe } from './probes.ts';

type AnyContainer = Container | EphemeralContainer;

/** What upstream gives to containers of every sort. */
export const defaultContainer = <T extends AnyContainer>(container: Submitted<T>): T => {
  const given = container as Submitted<Container>;
  return {
    ...given,
    ...(given.ports && { ports: given.ports.map(defaultPort) }),
    ...(given.env && { env: given.env.map(defaultEnv) }),
    ...(given.livenessProbe && { livenessProbe: defaultProbe(given.livenessProbe) }),
    ...(given.readinessProbe && { readinessProbe: defaultProbe(given.readinessProbe) }),
    ...(given.startupProbe && { startupProbe: defaultProbe(given.startupProbe) }),
    ...(given.lifecycle && { lifecycle: defaultLifecycle(given.lifecycle) }),
    resources: given.resources ?? {},
    terminationMessagePath: given.terminationMessagePath || '/dev/termination-log',
    terminationMessagePolicy: given.terminationMessagePolicy || 'File',
    imagePullPolicy: given.imagePullPolicy || pullPolicyFor(given.image ?? ''),
  } as unknown as T;
};

const defaultPort = (port: Submitted<ContainerPort>): Submitted<ContainerPort> => ({
  ...port,
  protocol: port.protocol || 'TCP',
});

function defaultEnv(variable: Submitted<EnvVar>): Submitted<EnvVar> {
  const { fieldRef, fileKeyRef } = variable.valueFrom ?? {};
  if (!fieldRef && !fileKeyRef) return variable;
  return {
    ...variable,
    valueFrom: {
      ...variable.valueFrom,
      ...(fieldRef && { fieldRef: { ...fieldRef, apiVersion: fieldRef.apiVersion || 'v1' } }),
      ...(fileKeyRef && { fileKeyRef: { ...fileKeyRef, optional: fileKeyRef.optional ?? false } }),
    },
  };
}

/** `latest`, said or meant, is always pulled; anything else only when it is not there. */
export function pullPolicyFor(image: string): 'Always' | 'IfNotPresent' {
  if (image.includes('@')) return 'IfNotPresent';
  const name = image.slice(image.lastIndexOf('/') + 1);
  const tag = name.includes(':') ? name.slice(name.indexOf(':') + 1) : 'latest';
  return tag === 'latest' ? 'Always' : 'IfNotPresent';
}

/** In a pod, not in a template: a limit without a request is a request too. */
export function withRequestsFromLimits<T extends AnyContainer>(container: T): T {
  const { limits, requests } = container.resources ?? {};
  if (!limits || Object.keys(limits).every((name) => requests && Object.hasOwn(requests, name))) return container;
  return { ...container, resources: { ...container.resources, requests: { ...limits, ...requests } } };
}

/** In a pod on the host's network, a port of a container is that port of the host. */
export function withHostPorts<T extends AnyContainer>(container: T): T {
  if (!container.ports?.some(({ hostPort }) => !hostPort)) return container;
  return {
    ...container,
    ports: container.ports.map((port) => ({ ...port, hostPort: port.hostPort || port.containerPort })),
  };
}
