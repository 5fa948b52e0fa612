/** Which groups and versions other API servers serve, kept current by the APIServices. Asked for every request. */
import { APIService } from '#api/apiregistration/v1/api-service.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { Informers } from '#client/informer.ts';
import { type RemoteApi, remoteApiOf } from './remote-api.ts';

export class ApiServiceTable {
  readonly #byVersion = new Map<string, RemoteApi>();
  #generation = 0;
  readonly #listeners = new Set<(name: string) => void>();

  follow(informers: Informers): () => void {
    return informers.for(APIService).onChange(({ key, now }) => this.#set(key, now));
  }

  /** Most servers have none, and pay for one look at this. */
  get isEmpty(): boolean {
    return this.#byVersion.size === 0;
  }

  /** Moves with every change. */
  get generation(): number {
    return this.#generation;
  }

  find({ group, version }: { group: string; version: string }): RemoteApi | undefined {
    return this.#byVersion.get(nameOf(group, version));
  }

  named(name: string): RemoteApi | undefined {
    return this.#byVersion.get(name);
  }

  all(): RemoteApi[] {
    return [...this.#byVersion.values()];
  }

  /** Called with the name of an APIService of another server that came, changed or went. */
  onChange(listener: (name: string) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #set(name: string, service: APIService | undefined): void {
    const before = this.#byVersion.get(name);
    const remote = service && remoteApiOf(service);
    if (isEqual(before, remote)) return;
    if (remote) this.#byVersion.set(name, remote);
    else this.#byVersion.delete(name);
    this.#generation++;
    for (const listener of [...this.#listeners]) listener(name);
  }
}

const nameOf = (group: string, version: string): string => `${version}.${group}`;
