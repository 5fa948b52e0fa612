/** One rule of the Pod Security Standards that a pod breaks, in upstream's words; and the words that the rules share. */
import type { Container, EphemeralContainer, PodSpec, SecurityContext } from '#api/generated/schema.ts';

export interface Violation {
  /** `host namespaces` */
  reason: string;
  /** `hostNetwork=true` */
  detail: string;
}

export type PodMetadata = { annotations?: Readonly<Record<string, string>> | undefined };
/** undefined: nothing wrong. */
export type Check = (spec: PodSpec, metadata: PodMetadata) => Violation | undefined;

/** Kubernetes 1.x; `latest` is Infinity. */
export type Minor = number;

export interface Rule {
  name: string;
  /** Which check it is, from which minor version on, oldest first. */
  since: readonly (readonly [Minor, Check])[];
  /** Of a restricted rule: the rule of the baseline that it says more strictly. */
  replaces?: string;
}

/** With users of its own, root in a pod is nobody outside. Source: KEP-127. */
export const unlessInUserNamespace =
  (check: Check): Check =>
  (spec, metadata) =>
    spec.hostUsers === false ? undefined : check(spec, metadata);

export const unlessWindows =
  (check: Check): Check =>
  (spec, metadata) =>
    spec.os?.name === 'windows' ? undefined : check(spec, metadata);

export type AnyContainer = Container | EphemeralContainer;

export const everyContainer = ({
  containers,
  initContainers = [],
  ephemeralContainers = [],
}: PodSpec): AnyContainer[] => [...initContainers, ...containers, ...ephemeralContainers];

/** Names of the containers whose security context is as asked. */
export const containersWhere = (spec: PodSpec, is: (context: SecurityContext) => boolean): string[] =>
  everyContainer(spec)
    .filter(({ securityContext }) => is(securityContext ?? {}))
    .map(({ name }) => name);

export const quoted = (names: readonly string[]): string => names.map((name) => JSON.stringify(name)).join(', ');
export const sortedUnique = (values: readonly string[]): string[] => [...new Set(values)].sort();
export const plural = (one: string, many: string, count: number): string => (count === 1 ? one : many);

/** `container "a"`, `containers "a", "b"` */
export const containersText = (names: readonly string[]): string =>
  `${plural('container', 'containers', names.length)} ${quoted(names)}`;

/** Who sets something: `pod and containers "a", "b"`. */
export const settersText = (pod: boolean, containers: readonly string[]): string =>
  [...(pod ? ['pod'] : []), ...(containers.length > 0 ? [containersText(containers)] : [])].join(' and ');

/** undefined when there are none. */
export const ifAny = (names: readonly string[], violation: () => Violation): Violation | undefined =>
  names.length > 0 ? violation() : undefined;
