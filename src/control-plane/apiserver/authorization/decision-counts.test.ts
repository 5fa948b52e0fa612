import { expect, test } from 'vitest';
import { type Attributes, allow, type Decision, deny, noOpinion } from './authorizer.ts';
import { DecisionCounts } from './decision-counts.ts';

const ATTRIBUTES: Attributes = { user: { name: 'jane', groups: [] }, verb: 'get', path: '/version' };
const answering = (answer: Decision | Promise<Decision>) => ({ authorize: () => answer });

test('decisions are counted by authorizer, now or later; no opinion is none', async () => {
  const counts = new DecisionCounts();
  const asked = [
    counts.counted(answering(allow('yes')), { type: 'RBAC', name: 'rbac' }),
    counts.counted(answering(noOpinion()), { type: 'Node', name: 'node' }),
    counts.counted(answering(Promise.resolve(deny())), { type: 'Webhook', name: 'mine' }),
    // Its configuration was read anew.
    counts.counted(answering(Promise.resolve(allow())), { type: 'Webhook', name: 'mine' }),
  ];
  const answers = await Promise.all(asked.map((one) => one.authorize(ATTRIBUTES)));
  expect(answers.map(({ decision }) => decision)).toEqual(['allow', 'noOpinion', 'deny', 'allow']);
  expect([...counts.samples()]).toEqual([
    { type: 'RBAC', name: 'rbac', decision: 'allowed', count: 1 },
    { type: 'Webhook', name: 'mine', decision: 'allowed', count: 1 },
    { type: 'Webhook', name: 'mine', decision: 'denied', count: 1 },
  ]);
});
