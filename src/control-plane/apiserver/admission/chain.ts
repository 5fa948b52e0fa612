/** Runs the plugins in the order of the list. Upstream's order, because one plugin sees what those before it made. */
import type { KubeObject } from '#api/machinery/object.ts';
import type { AdmissionPlugin, AdmissionRequest, AdmissionServices } from './define-admission.ts';

export class AdmissionChain {
  readonly #plugins: readonly AdmissionPlugin[];
  readonly #services: AdmissionServices;

  constructor(plugins: readonly AdmissionPlugin[], services: AdmissionServices) {
    this.#plugins = plugins;
    this.#services = services;
  }

  /** The object as all mutating plugins leave it. Throws the StatusError of the first that refuses. */
  async mutate<T extends KubeObject>(request: AdmissionRequest<T>): Promise<T | undefined> {
    let current: AdmissionRequest = request;
    if (!current.object) return undefined;
    for (const plugin of this.#plugins) {
      if (!plugin.mutate || !plugin.handles(current)) continue;
      const object = await plugin.mutate(current, this.#services);
      if (object !== current.object) current = { ...current, object };
    }
    return current.object as T;
  }

  /** Throws the StatusError of the first plugin that refuses. */
  async validate(request: AdmissionRequest): Promise<void> {
    for (const plugin of this.#plugins) {
      if (plugin.validate && plugin.handles(request)) await plugin.validate(request, this.#services);
    }
  }
}
