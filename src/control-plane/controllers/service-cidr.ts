/**
 * Tells which ranges of Service addresses are ready, and keeps one that is told to go as long as an address of it is taken that
 * no other range holds. Source: KEP-1880.
 */
import type { Condition } from '#api/generated/schema.ts';
import { parseCidr, parseIp, rangeContains } from '#api/machinery/ip.ts';
import { timestampOf } from '#api/machinery/timestamp.ts';
import { IPAddress } from '#api/networking/v1/ip-address.ts';
import { ServiceCIDR } from '#api/networking/v1/service-cidr.ts';
import { again, type Cached, defineController, settled, watching } from './define-controller.ts';

const FINALIZER = 'networking.k8s.io/service-cidr-finalizer';
const MANAGED_BY = 'ipaddress.kubernetes.io/managed-by';
const ALLOCATOR = 'ipallocator.k8s.io';
/** So that every server has stopped giving out addresses of it. */
const GRACE_MS = 10_000;

type Read = Cached<typeof ServiceCIDR | typeof IPAddress>;

export const serviceCidrController = defineController({
  name: 'service-cidr-controller',
  serviceAccount: 'service-cidrs-controller',
  reconciles: ServiceCIDR,
  watches: [
    watching(IPAddress, ({ metadata }, cached) =>
      cached(ServiceCIDR)
        .list()
        .filter((range) => holds(range as ServiceCIDR, metadata.name))
        .map((range) => range.metadata.name),
    ),
    // another range may have been what let this one go, or what kept it
    watching(ServiceCIDR, (_, cached) =>
      cached(ServiceCIDR)
        .list()
        .filter(({ metadata }) => metadata.deletionTimestamp)
        .map(({ metadata }) => metadata.name),
    ),
  ],
  writes: { update: [ServiceCIDR], status: [ServiceCIDR] },
  workers: 5,

  async reconcile(range, { cached, api, clock }) {
    const { deletionTimestamp, finalizers = [] } = range.metadata;
    if (!deletionTimestamp) {
      const kept = finalizers.includes(FINALIZER)
        ? range
        : await api.update(ServiceCIDR, withFinalizers(range, [...finalizers, FINALIZER]));
      const status = withCondition(kept, READY, clock.now());
      if (status) await api.updateStatus(kept, status);
      return settled;
    }
    if (!mayGo(range, cached)) {
      const status = withCondition(range, TERMINATING, clock.now());
      if (status) await api.updateStatus(range, status);
      return settled;
    }
    const leftMs = GRACE_MS - (clock.now() - Date.parse(deletionTimestamp));
    if (leftMs > 0) return again({ afterMs: leftMs });
    if (finalizers.includes(FINALIZER))
      await api.update(
        ServiceCIDR,
        withFinalizers(
          range,
          finalizers.filter((one) => one !== FINALIZER),
        ),
      );
    return settled;
  },
});

const READY = { status: 'True', reason: '', message: 'Kubernetes Service CIDR is ready' } as const;
const TERMINATING = {
  status: 'False',
  reason: 'Terminating',
  message: 'There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR',
} as const;

const withFinalizers = (range: ServiceCIDR, finalizers: string[]): ServiceCIDR => ({
  ...range,
  metadata: { ...range.metadata, finalizers },
});

/** undefined: it says so already, in these or other words of the server. */
function withCondition(
  { status }: ServiceCIDR,
  next: typeof READY | typeof TERMINATING,
  nowMs: number,
): NonNullable<ServiceCIDR['status']> | undefined {
  const conditions = status?.conditions ?? [];
  const current = conditions.find(({ type }) => type === 'Ready');
  if (current?.status === next.status && current.reason === next.reason && current.message === next.message)
    return undefined;
  const lastTransitionTime =
    current?.status === next.status ? current.lastTransitionTime : (timestampOf(nowMs) as string);
  const condition: Condition = { type: 'Ready', ...next, lastTransitionTime };
  return { ...status, conditions: [...conditions.filter(({ type }) => type !== 'Ready'), condition] };
}

function holds({ spec }: ServiceCIDR, ip: string): boolean {
  const address = parseIp(ip);
  return (spec.cidrs ?? []).some((cidr) => {
    const range = parseCidr(cidr);
    return range && address && rangeContains(range, address);
  });
}

/** When other ranges hold all of it, or nothing of it is taken that only it holds. */
function mayGo(range: ServiceCIDR, cached: Read): boolean {
  const { name } = range.metadata;
  const others = cached(ServiceCIDR)
    .list()
    .filter(({ metadata }) => metadata.name !== name);
  if ((range.spec.cidrs ?? []).every((cidr) => others.some((other) => covers(other, cidr)))) return true;
  const taken = cached(IPAddress)
    .list()
    .filter(({ metadata }) => metadata.labels?.[MANAGED_BY] === ALLOCATOR && holds(range, metadata.name));
  return taken.every(({ metadata }) => others.some((other) => holds(other, metadata.name)));
}

function covers({ spec }: ServiceCIDR, inner: string): boolean {
  const wanted = parseCidr(inner);
  return (spec.cidrs ?? []).some((cidr) => {
    const range = parseCidr(cidr);
    return range && wanted && range.prefixLength <= wanted.prefixLength && rangeContains(range, wanted.address);
  });
}
