/**
 * What `/metrics` says of the process that signs tokens of ServiceAccounts. Source of names, labels and bounds: upstream's
 * externaljwt/metrics.
 */
import { Counter, Gauge, type Registry } from 'prom-client';
import { Distribution } from '#base/distribution.ts';
import { CallFailed } from '#control-plane/storage/encryption/plugin-socket.ts';
import { DistributionHistogram } from '../metrics/distribution-histogram.ts';

const BOUNDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** gRPC's, also where words were put before it. */
export function codeOf(error: unknown): string {
  if (error instanceof CallFailed) return error.code;
  return error instanceof Error && error.cause !== undefined ? codeOf(error.cause) : 'unknown-non-grpc';
}

/** By method, then by code. */
type Calls = Map<string, Map<string, Distribution>>;

export class OutsideSignerCounts {
  readonly #calls: Calls = new Map();
  readonly #fetched = new Map<string, number>();
  readonly #signed = new Map<string, number>();
  #fetchedAt: number | undefined;
  #takenAt: number | undefined;

  /** `method`: `/v1.ExternalJWTSigner/Sign`. */
  called(method: string, code: string, tookMs: number): void {
    const byCode = this.#calls.get(method) ?? new Map<string, Distribution>();
    const seen = byCode.get(code) ?? new Distribution(BOUNDS);
    seen.observe(tookMs / 1000);
    this.#calls.set(method, byCode.set(code, seen));
  }

  signed(code: string): void {
    countIn(this.#signed, code);
  }

  /** Both in seconds since the epoch; `takenAt` as the other side says it. */
  fetched(fetchedAt: number, takenAt: number): void {
    countIn(this.#fetched, 'OK');
    this.#fetchedAt = fetchedAt;
    this.#takenAt = takenAt;
  }

  notFetched(code: string): void {
    countIn(this.#fetched, code);
  }

  registerMetrics(registry: Registry): void {
    const gauge = (name: string, help: string, value: () => number | undefined) =>
      new Gauge({
        ...{ name: `apiserver_externaljwt_${name}`, help, registers: [registry] },
        collect() {
          this.remove();
          const now = value();
          if (now !== undefined) this.set(now);
        },
      });
    const counter = (name: string, help: string, counts: ReadonlyMap<string, number>) =>
      new Counter({
        ...{ name: `apiserver_externaljwt_${name}`, help, labelNames: ['code'], registers: [registry] },
        collect() {
          this.reset();
          for (const [code, count] of counts) this.inc({ code }, count);
        },
      });
    gauge('fetch_keys_success_timestamp', 'When the keys were last had.', () => this.#fetchedAt);
    gauge('fetch_keys_data_timestamp', 'When the keys that are known were put together.', () => this.#takenAt);
    counter('fetch_keys_request_total', 'How often the keys were asked for.', this.#fetched);
    counter('sign_request_total', 'How often a signature was asked for.', this.#signed);
    const name = 'apiserver_externaljwt_request_duration_seconds';
    registry.registerMetric(
      new DistributionHistogram({ name, help: 'How long calls of the signer took.' }, () =>
        [...this.#calls].flatMap(([method, byCode]) =>
          [...byCode].map(([code, seen]): [Record<string, string>, Distribution] => [{ method, code }, seen]),
        ),
      ),
    );
  }
}

function countIn(counts: Map<string, number>, code: string): void {
  counts.set(code, (counts.get(code) ?? 0) + 1);
}
