/** How often which APIService could no longer be had, and why. Source: upstream's SetUnavailableCounter. */
export interface ApiServiceLoss {
  name: string;
  reason: string;
}

export class ApiServiceLosses {
  readonly #counts = new Map<string, ApiServiceLoss & { count: number }>();

  add({ name, reason }: ApiServiceLoss): void {
    const id = `${name} ${reason}`;
    this.#counts.set(id, { name, reason, count: (this.#counts.get(id)?.count ?? 0) + 1 });
  }

  samples(): Iterable<ApiServiceLoss & { count: number }> {
    return this.#counts.values();
  }
}
