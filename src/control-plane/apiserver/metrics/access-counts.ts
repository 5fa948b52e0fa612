/**
 * Who was let in, and how long finding out took: `authentication_*` and `authorization_*` of `/metrics`. Counted here without
 * a library's cost. Source of names, labels and bounds: upstream's endpoints/filters/metrics.go.
 */
import { Counter, type Registry } from 'prom-client';
import { Distribution } from '#base/distribution.ts';
import type { Decision } from '../authorization/authorizer.ts';
import { DecisionCounts } from '../authorization/decision-counts.ts';
import { DistributionHistogram } from './distribution-histogram.ts';

const BOUNDS = Array.from({ length: 15 }, (_, power) => 0.001 * 2 ** power);

/** Seconds by result; each has its place from the start. */
type ByResult<R extends string> = Readonly<Record<R, Distribution>>;

const byResult = <R extends string>(...results: readonly R[]): ByResult<R> =>
  Object.fromEntries(results.map((result) => [result, new Distribution(BOUNDS)])) as Record<R, Distribution>;

const KNOWN_USERS: ReadonlySet<string> = new Set([
  'admin',
  'client',
  'kube_proxy',
  'kubelet',
  'system:serviceaccount:kube-system:default',
]);

/** Names of users are not told, but for a few that are no secret and without number. */
function toldOf(user: string): string {
  if (KNOWN_USERS.has(user)) return user;
  return user.includes('@') ? 'email_id' : 'other';
}

const RESULTS = { allow: 'allowed', deny: 'denied', noOpinion: 'no-opinion' } as const;

export class AccessCounts {
  readonly authentication = byResult('success', 'failure', 'error');
  readonly authorization = byResult('allowed', 'denied', 'no-opinion', 'error');
  readonly users = new Map<string, number>();
  readonly decisions = new DecisionCounts();

  authenticated(user: string, tookMs: number): void {
    const told = toldOf(user);
    this.users.set(told, (this.users.get(told) ?? 0) + 1);
    this.authentication.success.observe(tookMs / 1000);
  }

  /** `failure`: nobody knew the credentials. `error`: they are no good. */
  notAuthenticated(result: 'failure' | 'error', tookMs: number): void {
    this.authentication[result].observe(tookMs / 1000);
  }

  decided({ decision, error }: Decision, tookMs: number): void {
    const result = error !== undefined && decision !== 'allow' ? 'error' : RESULTS[decision];
    this.authorization[result].observe(tookMs / 1000);
  }
}

type Labels = Record<string, string>;

export function registerAccessMetrics(registry: Registry, counts: AccessCounts): void {
  const { authentication, authorization, users, decisions } = counts;
  const counter = (name: string, help: string, label: string, samples: () => Iterable<readonly [string, number]>) =>
    new Counter({
      name,
      help,
      labelNames: [label],
      registers: [registry],
      collect() {
        this.reset();
        for (const [value, count] of samples()) if (count > 0) this.inc({ [label]: value }, count);
      },
    });
  const seconds = (name: string, help: string, of: ByResult<string>) =>
    registry.registerMetric(
      new DistributionHistogram({ name, help }, () =>
        Object.entries(of).map(([result, seen]): [Labels, Distribution] => [{ result }, seen]),
      ),
    );
  const countsIn = (of: ByResult<string>) => () =>
    Object.entries(of).map(([result, { count }]): [string, number] => [result, count]);
  counter('authenticated_user_requests', 'Requests of users who were known.', 'username', () => users);
  counter('authentication_attempts', 'How requests were authenticated.', 'result', countsIn(authentication));
  seconds('authentication_duration_seconds', 'How long authenticating took.', authentication);
  counter('authorization_attempts_total', 'How requests were authorised.', 'result', countsIn(authorization));
  seconds('authorization_duration_seconds', 'How long authorising took.', authorization);
  new Counter({
    name: 'apiserver_authorization_decisions_total',
    help: 'What single authorizers decided.',
    labelNames: ['type', 'name', 'decision'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { count, ...labels } of decisions.samples()) this.inc(labels, count);
    },
  });
}
