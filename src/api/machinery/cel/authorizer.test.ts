import { expect, test, vi } from 'vitest';
import {
  type AuthorizationCheck,
  type AuthorizationDecision,
  authorizerDeclarations,
  authorizerVariables,
  Decisions,
} from './authorizer.ts';
import { environment } from './environment.ts';
import { COST_LIMIT_EXCEEDED } from './limits.ts';

const env = environment({ variables: authorizerDeclarations });
const pods = { group: '', resource: 'pods', subresource: '', namespace: 'ns', name: 'p' };

type Ask = (check: AuthorizationCheck) => AuthorizationDecision | Promise<AuthorizationDecision>;

/** The outcome, and all that was asked. */
async function evaluate(source: string, answer: Ask = () => ({ allowed: true, reason: 'why not' })) {
  const ask = vi.fn(answer);
  const decisions = new Decisions(ask);
  const { program } = env.compile(source);
  const outcome = await decisions.settle(() => program!.evaluate(authorizerVariables(decisions, pods)));
  return { outcome, asked: ask.mock.calls.map(([check]) => check) };
}

test('a check asks for exactly what was built', async () => {
  const { outcome, asked } = await evaluate(
    "authorizer.group('apps').resource('deployments').subresource('scale').namespace('a').name('b')" +
      ".fieldSelector('x=1').labelSelector('y').check('update').allowed()",
  );
  expect(outcome).toEqual({ value: true, cost: 350_179 });
  expect(asked).toEqual([
    {
      verb: 'update',
      group: 'apps',
      resource: 'deployments',
      subresource: 'scale',
      namespace: 'a',
      name: 'b',
      fieldSelector: 'x=1',
      labelSelector: 'y',
    },
  ]);
});

test('requestResource is what the request is about', async () => {
  const { asked } = await evaluate("authorizer.requestResource.check('delete').allowed()");
  expect(asked).toMatchObject([{ ...pods, verb: 'delete' }]);
});

test('a path is no resource', async () => {
  const { asked } = await evaluate("authorizer.path('/healthz').check('get').allowed()");
  expect(asked).toMatchObject([{ path: '/healthz', verb: 'get', resource: '' }]);
});

test('a ServiceAccount may be asked for instead of the user', async () => {
  const source = "authorizer.serviceAccount('ns', 'robot').group('').resource('pods').check('get').allowed()";
  expect((await evaluate(source)).asked).toMatchObject([{ serviceAccount: { namespace: 'ns', name: 'robot' } }]);
});

test.each([
  ["authorizer.path(' ').check('get').allowed()", 'path must not be empty'],
  ["authorizer.group('').resource('').check('get').allowed()", 'resource must not be empty'],
  ["authorizer.serviceAccount('ns', 'A').path('/').check('get').allowed()", 'Invalid service account name'],
  ["authorizer.serviceAccount('a.b', 'a').path('/').check('get').allowed()", 'Invalid service account namespace'],
])('%s fails: %s', async (source, error) => {
  expect((await evaluate(source)).outcome).toMatchObject({ error });
});

test('reason, errored and error tell of the decision', async () => {
  const check = "authorizer.requestResource.check('get')";
  const source = `!${check}.allowed() && ${check}.errored() && ${check}.error() + ${check}.reason() == 'brokenbecause'`;
  const { program } = env.compile(source);
  const decisions = new Decisions(() => ({ allowed: false, reason: 'because', error: 'broken' }));
  const run = () => program!.evaluate(authorizerVariables(decisions, pods), { costLimit: 2_000_000 });
  expect(await decisions.settle(run)).toMatchObject({ value: true });
});

test('the same check is asked once, and one that is not reached never', async () => {
  const get = "authorizer.requestResource.check('get').allowed()";
  const { asked } = await evaluate(`(${get} && ${get}) || authorizer.path('/x').check('get').allowed()`);
  expect(asked.map(({ verb, path }) => path ?? verb)).toEqual(['get']);
});

test('a third check in one evaluation is not affordable', async () => {
  const checks = ['a', 'b', 'c'].map((verb) => `!authorizer.requestResource.check('${verb}').allowed()`).join(' || ');
  const { outcome, asked } = await evaluate(checks);
  expect(outcome.error).toBe(COST_LIMIT_EXCEEDED);
  expect(asked.length).toBeLessThanOrEqual(3);
});

test('what needs no decision is answered without a promise', () => {
  const decisions = new Decisions(() => Promise.reject(new Error('not asked')));
  const { program } = env.compile("true || authorizer.path('/x').check('get').allowed()");
  const outcome = decisions.settle(() => program!.evaluate(authorizerVariables(decisions, pods)));
  expect(outcome).toMatchObject({ value: true });
});

test('an authorizer that is not there is an error when it is asked', () => {
  const { program } = env.compile("authorizer.path('/x').check('get').allowed()");
  expect(program!.evaluate({}).error).toBe('no such attribute(s): authorizer');
});
