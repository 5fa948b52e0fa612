/** The claim that the scheduler makes for one pod, whose extended resources devices meet. Source: KEP-5004. */
import type { Pod } from '#api/core/v1/pod.ts';
import type { AllocationResult } from '#api/generated/schema.ts';
import type { ObjectKey } from '#api/machinery/object.ts';
import type { DeviceClass } from '#api/resource/v1/device-class.ts';
import type { ResourceClaim } from '#api/resource/v1/resource-claim.ts';
import type { Informer } from '#client/informer.ts';
import { type BindingServices, unresolvable } from '../../define-plugin.ts';
import type { Refused } from '../../verdict.ts';
import { deleteClaim, reserveClaim, sayExtendedClaim, writeExtendedClaim } from './claim-writes.ts';
import { type ClaimRequests, requestsOf } from './device-requests.ts';
import {
  type ClassesByResource,
  classesMeeting,
  extendedClaimFor,
  extendedClaimOf,
  type Mapped,
  requestsFor,
  unmetOn,
} from './extended-resources.ts';

/** What devices have to meet on nodes that count the same resources. */
interface Special {
  wanting: ClaimRequests;
  mappings: Mapped['mappings'];
}

interface Known {
  classes: Pick<Informer<DeviceClass>, 'get' | 'list'>;
  claims: Pick<Informer<ResourceClaim>, 'list' | 'inNamespace'>;
}

interface Writing {
  pod: Pod;
  allocation: AllocationResult;
  services: BindingServices;
}

export class ExtendedClaim {
  readonly #pod: Pod;
  readonly #met: ClassesByResource;
  readonly #known: Known;
  /** By the resources that devices have to meet. */
  readonly #specials = new Map<string, Special>();
  readonly #onNode = new Map<string, Special>();
  /** Of a try that came to nothing: it goes before there is another. */
  readonly stale: ResourceClaim | undefined;
  #written: ResourceClaim | undefined;
  #undo: (() => Promise<void>) | undefined;

  private constructor(pod: Pod, met: ClassesByResource, known: Known) {
    this.#pod = pod;
    this.#met = met;
    this.#known = known;
    this.stale = extendedClaimOf(pod, known.claims.inNamespace(pod.metadata.namespace ?? ''));
  }

  /** undefined: there is nothing that a class could meet. */
  static of(pod: Pod, known: Known): ExtendedClaim | undefined {
    const met = classesMeeting(pod, () => known.classes.list());
    return met.size > 0 ? new ExtendedClaim(pod, met, known) : undefined;
  }

  get written(): ResourceClaim | undefined {
    return this.#written;
  }

  /** `counted`: by the node. undefined: it has what is asked for. Throws AllocationFailed. */
  on(nodeName: string, counted: ReadonlyMap<string, number>): Special | Refused | undefined {
    if (this.stale?.spec.devices?.requests) return CANNOT_SCHEDULE;
    if (unmetOn(this.#pod, this.#met, counted) !== undefined) return CANNOT_FIT;
    const byDevices = [...this.#met].filter(([name]) => !counted.get(name));
    if (byDevices.length === 0) return undefined;
    const key = byDevices.map(([name]) => name).join();
    let special = this.#specials.get(key);
    if (!special) {
      special = this.#specialFor(new Map(byDevices));
      this.#specials.set(key, special);
    }
    this.#onNode.set(nodeName, special);
    return special;
  }

  /** As if it were written: its devices are taken. */
  givenOut(nodeName: string, allocation: AllocationResult): ResourceClaim {
    const { claim } = this.#specialOn(nodeName).wanting;
    return { ...claim, status: { allocation } };
  }

  /** Throws PluginFailed, and what the server said. */
  async write(nodeName: string, { pod, allocation, services }: Writing): Promise<void> {
    const { client, clock } = services;
    const { wanting, mappings } = this.#specialOn(nodeName);
    const created = await writeExtendedClaim(wanting.claim, client);
    this.#written = created;
    this.#undo = () => deleteClaim(this.#written ?? created, client);
    this.#written = await reserveClaim(created, { pod, allocation, client, clock });
    const { name } = created.metadata;
    await sayExtendedClaim(pod, { requestMappings: mappings, resourceClaimName: name }, client);
  }

  /** The pod has not been placed. What cannot be deleted now is `stale` at the next try. Throws what the server said. */
  async takeBack(): Promise<void> {
    const undo = this.#undo;
    this.#undo = undefined;
    await undo?.();
  }

  #specialOn(nodeName: string): Special {
    const special = this.#onNode.get(nodeName);
    if (!special) throw new Error(`nothing was looked for on ${nodeName}`);
    return special;
  }

  #specialFor(byDevices: ClassesByResource): Special {
    const { requests, mappings } = requestsFor(this.#pod, byDevices);
    const claim = extendedClaimFor(this.#pod, requests);
    return { wanting: requestsOf(claim, (name) => this.#known.classes.get(name as ObjectKey)), mappings };
  }
}

const CANNOT_SCHEDULE = unresolvable('cannot schedule extended resource claim') as Refused;
const CANNOT_FIT = unresolvable('cannot fit resource') as Refused;
