/** How long single issuers' tokens take to be judged: `apiserver_authentication_jwt_authenticator_latency_seconds`. */
import { createHash } from 'node:crypto';
import type { Registry } from 'prom-client';
import { Distribution } from '#base/distribution.ts';
import { DistributionHistogram } from '../../metrics/distribution-histogram.ts';

const BOUNDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Issuers of a configuration that is no more stay: what was counted does not become less. */
export class JwtLatencies {
  readonly #byIssuer = new Map<string, Record<'success' | 'failure', Distribution>>();

  /** Of a token that says it is of that issuer. */
  observe(issuer: string, result: 'success' | 'failure', tookMs: number): void {
    let results = this.#byIssuer.get(issuer);
    if (!results) {
      results = { success: new Distribution(BOUNDS), failure: new Distribution(BOUNDS) };
      this.#byIssuer.set(issuer, results);
    }
    results[result].observe(tookMs / 1000);
  }

  registerMetrics(registry: Registry): void {
    const name = 'apiserver_authentication_jwt_authenticator_latency_seconds';
    registry.registerMetric(
      new DistributionHistogram({ name, help: 'How long judging the tokens of an issuer took.' }, () =>
        [...this.#byIssuer].flatMap(([issuer, results]) => {
          const hash = `sha256:${createHash('sha256').update(issuer).digest('hex')}`;
          return Object.entries(results).map(([result, seen]): [Record<string, string>, Distribution] => [
            { result, jwt_issuer_hash: hash },
            seen,
          ]);
        }),
      ),
    );
  }
}
