/**
 * kube-proxy of one node: keeps the node's nftables equal to what Services, EndpointSlices and host ports say. Level-driven:
 * a change only names the Service to look at again. Changes that arrive while nft runs go together in the next transaction.
 */
import type { Clock } from '#base/clock.ts';
import { sleep } from '#base/clock.ts';
import { deferred } from '#base/deferred.ts';
import type { Log } from '#base/log.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { Service } from '#api/core/v1/service.ts';
import { EndpointSlice } from '#api/discovery/v1/endpoint-slice.ts';
import type * as schema from '#api/generated/schema.ts';
import { keyOf } from '#api/machinery/object.ts';
import type { Informers } from '#client/informer.ts';
import { type RunConntrack, runConntrack, staleFlows } from './conntrack.ts';
import { type Rendered, render } from './elements.ts';
import { renderHostPorts } from './host-ports.ts';
import { type RunNft, runNft } from './nft.ts';
import { ProxyTable } from './proxy-table.ts';
import type { TableContext } from './ruleset.ts';
import { type ServicePort, servicePortsOf } from './service-port.ts';

const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';
const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 10_000;

export interface ProxyOptions {
  nodeName: string;
  informers: Informers;
  clock: Clock;
  log: Log;
  signal: AbortSignal;
  /** One table for each address family that the cluster has. */
  tables: readonly TableContext[];
  /** For tests. */
  nft?: RunNft;
  conntrack?: RunConntrack;
}

export interface Proxy {
  /** Resolves when the rules hold all that was known at the start. */
  ready: Promise<void>;
  /** Resolves when the last transaction has ended, after `signal` aborted. The rules stay: traffic survives a restart. */
  stopped: Promise<void>;
}

export function startProxy(options: ProxyOptions): Proxy {
  const ready = deferred();
  const loops = options.tables.map((table) => new FamilyProxy(options, table));
  const stopped = Promise.all(loops.map((loop) => loop.run())).then(() => undefined);
  Promise.all(loops.map((loop) => loop.ready)).then(() => ready.resolve(), ready.reject);
  return { ready: ready.promise, stopped };
}

class FamilyProxy {
  readonly ready: Promise<void>;
  readonly #isReady = deferred();
  readonly #options: ProxyOptions;
  readonly #context: TableContext;
  readonly #table: ProxyTable;
  readonly #ports = new Map<string, ServicePort[]>();
  readonly #dirty = new Set<string>();
  #wake: () => void = () => undefined;

  constructor(options: ProxyOptions, context: TableContext) {
    this.#options = options;
    this.#context = context;
    this.#table = new ProxyTable(context);
    this.ready = this.#isReady.promise;
  }

  async run(): Promise<void> {
    const { informers, signal, nodeName } = this.#options;
    const services = informers.for(Service);
    const slices = informers.indexed(EndpointSlice, serviceKeyOf);
    const pods = informers.for(Pod, { fieldSelector: `spec.nodeName=${nodeName}` });
    const lookUp = {
      service: (key: string) => this.#portsOf(services.get(key), slices.under(key)),
      pod: (key: string) => pods.get(key),
    };
    const stops = [
      services.onChange(({ key }) => this.#mark(`service ${key}`)),
      slices.onChange(({ now, before }) => this.#mark(...serviceMarks(now, before))),
      pods.onChange(({ key, now, before }) => {
        if (hasHostPorts(now) || hasHostPorts(before)) this.#mark(`pod ${key}`);
      }),
    ];
    try {
      await informers.synced(signal); // rules from half a picture would refuse what is there
      for (const service of services.list()) this.#mark(`service ${keyOf(service)}`);
      for (const pod of pods.list().filter(hasHostPorts)) this.#mark(`pod ${keyOf(pod)}`);
      await this.#loop(lookUp);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      for (const stop of stops) stop();
    }
  }

  #portsOf(service: schema.Service | undefined, slices: schema.EndpointSlice[]): ServicePort[] | undefined {
    return (
      service && servicePortsOf(service, slices, { nodeName: this.#options.nodeName, family: this.#context.family })
    );
  }

  #mark(...keys: string[]): void {
    for (const key of keys) this.#dirty.add(key);
    this.#wake();
  }

  async #loop(lookUp: LookUp): Promise<void> {
    const { signal, clock, log } = this.#options;
    signal.addEventListener('abort', () => this.#wake(), { once: true });
    let isFirst = true;
    for (let retryMs = FIRST_RETRY_MS; !signal.aborted; ) {
      if (this.#dirty.size === 0 && !isFirst) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      const keys = [...this.#dirty];
      this.#dirty.clear();
      try {
        await this.#apply(keys, lookUp);
        retryMs = FIRST_RETRY_MS;
        isFirst = false;
        this.#isReady.resolve();
      } catch (error) {
        // Whatever went wrong, the next transaction starts from nothing, so it cannot build on a wrong belief.
        log.error('nftables refused the rules; building them anew', { error: String(error), retryMs });
        this.#table.forget();
        for (const key of keys) this.#dirty.add(key);
        await sleep(clock, retryMs, signal);
        retryMs = Math.min(retryMs * 2, LONGEST_RETRY_MS);
      }
    }
  }

  async #apply(keys: readonly string[], lookUp: LookUp): Promise<void> {
    const wanted = new Map<string, Rendered | undefined>();
    const ports = new Map<string, ServicePort[]>();
    for (const key of keys) {
      const [type, name] = key.split(' ') as ['service' | 'pod', string];
      if (type === 'pod') {
        const pod = lookUp.pod(name);
        wanted.set(key, pod && renderHostPorts(pod, this.#context.family));
      } else {
        const found = lookUp.service(name)?.filter(({ clusterIPs }) => !this.#answersItself(clusterIPs));
        ports.set(key, found ?? []);
        wanted.set(key, found && render(found));
      }
    }
    const { commands, applied } = this.#table.commandsFor(wanted);
    if (commands.length > 0) await (this.#options.nft ?? runNft)(commands);
    applied();
    await this.#forgetFlows(ports);
  }

  #answersItself(clusterIPs: readonly string[]): boolean {
    return clusterIPs.length > 0 && clusterIPs.every((ip) => this.#context.ownAddresses.includes(ip));
  }

  async #forgetFlows(ports: ReadonlyMap<string, ServicePort[]>): Promise<void> {
    for (const [key, after] of ports) {
      const stale = staleFlows(this.#ports.get(key) ?? [], after);
      this.#ports.set(key, after);
      for (const call of stale) {
        await (this.#options.conntrack ?? runConntrack)(call).catch((error: unknown) =>
          this.#options.log.warn('could not forget UDP flows; clients may wait for their time-out', {
            error: String(error),
          }),
        );
      }
    }
  }
}

interface LookUp {
  service(key: string): ServicePort[] | undefined;
  pod(key: string): schema.Pod | undefined;
}

const serviceKeyOf = ({ metadata }: schema.EndpointSlice): string | undefined => {
  const name = metadata.labels?.[SERVICE_NAME_LABEL];
  return name && `${metadata.namespace}/${name}`;
};

const serviceMarks = (...slices: (schema.EndpointSlice | undefined)[]): string[] =>
  slices.flatMap((slice) => {
    const key = slice && serviceKeyOf(slice);
    return key ? [`service ${key}`] : [];
  });

const hasHostPorts = (pod: schema.Pod | undefined): boolean =>
  pod?.spec.containers.some(({ ports }) => ports?.some(({ hostPort }) => hostPort)) ?? false;
