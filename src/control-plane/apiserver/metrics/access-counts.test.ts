import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { AccessCounts, registerAccessMetrics } from './access-counts.ts';

test('attempts are told by result, users by no more than their kind, and what never was is not told', async () => {
  const counts = new AccessCounts();
  const registry = new Registry();
  registerAccessMetrics(registry, counts);
  counts.authenticated('kubelet', 1);
  counts.authenticated('a@example.com', 3);
  counts.authenticated('jane', 3);
  counts.notAuthenticated('failure', 1);
  counts.decided({ decision: 'allow', reason: '' }, 1);
  counts.decided({ decision: 'noOpinion', reason: '' }, 1);
  counts.decided({ decision: 'noOpinion', reason: '', error: 'unreachable' }, 1);
  await counts.decisions
    .counted({ authorize: () => ({ decision: 'allow', reason: '' }) }, { type: 'RBAC', name: 'rbac' })
    .authorize({
      user: { name: 'jane', groups: [] },
      verb: 'get',
      path: '/version',
    });
  const lines = (await registry.metrics()).split('\n').filter((line) => !/^#|_bucket|_sum|^$/.test(line));
  expect(lines).toEqual([
    'authenticated_user_requests{username="kubelet"} 1',
    'authenticated_user_requests{username="email_id"} 1',
    'authenticated_user_requests{username="other"} 1',
    'authentication_attempts{result="success"} 3',
    'authentication_attempts{result="failure"} 1',
    'authentication_duration_seconds_count{result="success"} 3',
    'authentication_duration_seconds_count{result="failure"} 1',
    'authorization_attempts_total{result="allowed"} 1',
    'authorization_attempts_total{result="no-opinion"} 1',
    'authorization_attempts_total{result="error"} 1',
    'authorization_duration_seconds_count{result="allowed"} 1',
    'authorization_duration_seconds_count{result="no-opinion"} 1',
    'authorization_duration_seconds_count{result="error"} 1',
    'apiserver_authorization_decisions_total{type="RBAC",name="rbac",decision="allowed"} 1',
  ]);
});
