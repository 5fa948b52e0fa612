/** Containers of a pod: what they get when they do not say. */
import type { Container, ContainerPort, EnvVar, EphemeralContainer, Submitted } from '#api/generated/schema.ts';
import { eachWith, withFields } from '#api/machinery/with-fields.ts';
import { defaultLifecycle, defaultProbe } from './probes.ts';

type AnyContainer = Container | EphemeralContainer;

/** What upstream gives to containers of every sort. */
export const defaultContainer = <T extends AnyContainer>(container: Submitted<T>): T => {
  const given = container as Submitted<Container>;
  return withFields<Submitted<Container>>(given, {
    ports: eachWith(given.ports, defaultPort),
    env: eachWith(given.env, defaultEnv),
    livenessProbe: given.livenessProbe && defaultProbe(given.livenessProbe),
    readinessProbe: given.readinessProbe && defaultProbe(given.readinessProbe),
    startupProbe: given.startupProbe && defaultProbe(given.startupProbe),
    lifecycle: given.lifecycle && defaultLifecycle(given.lifecycle),
    resources: given.resources ?? {},
    terminationMessagePath: given.terminationMessagePath || '/dev/termination-log',
    terminationMessagePolicy: given.terminationMessagePolicy || 'File',
    imagePullPolicy: given.imagePullPolicy || pullPolicyFor(given.image ?? ''),
  }) as unknown as T;
};

const defaultPort = (port: Submitted<ContainerPort>): ContainerPort =>
  withFields(port, { protocol: port.protocol || 'TCP' }) as ContainerPort;

function defaultEnv(variable: Submitted<EnvVar>): EnvVar {
  const { valueFrom } = variable;
  if (!valueFrom) return variable as EnvVar;
  const { fieldRef, fileKeyRef } = valueFrom;
  return withFields(variable, {
    valueFrom: withFields(valueFrom, {
      fieldRef: fieldRef && withFields(fieldRef, { apiVersion: fieldRef.apiVersion || 'v1' }),
      fileKeyRef: fileKeyRef && withFields(fileKeyRef, { optional: fileKeyRef.optional ?? false }),
    }),
  }) as EnvVar;
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
