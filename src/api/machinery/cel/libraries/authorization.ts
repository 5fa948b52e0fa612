/** `authorizer.group('apps').resource('deployments').check('get').allowed()`: the authorization library of Kubernetes. */
import { dns1123Label, dns1123Subdomain } from '../../names.ts';
import {
  AUTHORIZER,
  AuthorizerValue,
  DECISION,
  type DecisionValue,
  GROUP_CHECK,
  GroupCheck,
  PATH_CHECK,
  PathCheck,
  RESOURCE_CHECK,
  ResourceCheck,
} from '../authorizer.ts';
import * as cel from '../cel-type.ts';
import { fixed, plus, scaled, traversed } from '../cost/estimate-call.ts';
import { sizeOf, traversal } from '../cost/size.ts';
import { COSTS } from '../evaluate/frame.ts';
import { type Evaluate, type FunctionDeclaration, type Library, member } from '../library.ts';
import { CelError, type Result } from '../value.ts';
import { nominal } from './costs.ts';

const { BOOL, STRING } = cel;

/** Two are possible in one evaluation, a third is not. */
const CHECK_COST = 350_000;

function path(authorizer: AuthorizerValue, text: string): Result {
  return text.trim() === '' ? new CelError('path must not be empty') : new PathCheck(authorizer, text);
}

function serviceAccount({ decide }: AuthorizerValue, namespace: string, name: string): Result {
  if (dns1123Subdomain(name).length > 0) return new CelError('Invalid service account name');
  if (dns1123Label(namespace).length > 0) return new CelError('Invalid service account namespace');
  return new AuthorizerValue(decide, { namespace, name });
}

function resource({ decide, of }: GroupCheck, text: string): Result {
  if (text.trim() === '') return new CelError('resource must not be empty');
  const rest = { subresource: '', namespace: '', name: '', fieldSelector: '', labelSelector: '' };
  return new ResourceCheck(decide, { ...of, resource: text, ...rest });
}

/** Sets one part of what is asked. */
const narrows = (name: string, id: string, part: 'subresource' | 'namespace' | 'name'): FunctionDeclaration => ({
  name,
  overloads: [
    member(id, [RESOURCE_CHECK, STRING], RESOURCE_CHECK, (check: ResourceCheck, text: string) =>
      check.with({ [part]: text }),
    ),
  ],
  ...nominal,
});

/** A selector is read: one requirement for every two characters, each of which is made. */
const REQUIREMENT = COSTS.list + COSTS.struct;
const selects = (name: string, id: string, part: 'fieldSelector' | 'labelSelector'): FunctionDeclaration => ({
  name,
  overloads: [
    member(id, [RESOURCE_CHECK, STRING], RESOURCE_CHECK, (check: ResourceCheck, text: string) =>
      check.with({ [part]: text }),
    ),
  ],
  cost({ args: [, text] }) {
    const size = sizeOf(text!);
    return COSTS.list + traversal(size) + Math.ceil(Math.ceil(size / 2) * REQUIREMENT);
  },
  estimate: ({ args: [text] }) =>
    text && {
      cost: plus(plus(fixed(COSTS.list), traversed(text.size)), scaled(scaled(text.size, 0.5), REQUIREMENT)),
    },
});

const tells = (name: string, result: cel.CelType, evaluate: Evaluate): FunctionDeclaration => ({
  name,
  overloads: [member(`decision_${name}`, [DECISION], result, evaluate)],
  ...nominal,
});

const check = (of: ResourceCheck | PathCheck, verb: string): Result => of.check(verb);

export const authorization: Library = {
  name: 'kubernetes.authz',
  functions: [
    { name: 'path', overloads: [member('authorizer_path', [AUTHORIZER, STRING], PATH_CHECK, path)], ...nominal },
    {
      name: 'group',
      overloads: [
        member(
          'authorizer_group',
          [AUTHORIZER, STRING],
          GROUP_CHECK,
          (authorizer: AuthorizerValue, group: string) => new GroupCheck(authorizer, group),
        ),
      ],
      ...nominal,
    },
    {
      name: 'serviceAccount',
      overloads: [member('authorizer_serviceaccount', [AUTHORIZER, STRING, STRING], AUTHORIZER, serviceAccount)],
      ...nominal,
    },
    {
      name: 'resource',
      overloads: [member('groupcheck_resource', [GROUP_CHECK, STRING], RESOURCE_CHECK, resource)],
      ...nominal,
    },
    narrows('subresource', 'resourcecheck_subresource', 'subresource'),
    narrows('namespace', 'resourcecheck_namespace', 'namespace'),
    narrows('name', 'resourcecheck_name', 'name'),
    selects('fieldSelector', 'authorizer_fieldselector', 'fieldSelector'),
    selects('labelSelector', 'authorizer_labelselector', 'labelSelector'),
    {
      name: 'check',
      overloads: [
        member('pathcheck_check', [PATH_CHECK, STRING], DECISION, check),
        member('resourcecheck_check', [RESOURCE_CHECK, STRING], DECISION, check),
      ],
      cost: () => CHECK_COST,
      estimate: () => ({ cost: fixed(CHECK_COST) }),
    },
    tells('errored', BOOL, ({ decision }: DecisionValue) => decision.error !== undefined),
    tells('error', STRING, ({ decision }: DecisionValue) => decision.error ?? ''),
    tells('allowed', BOOL, ({ decision }: DecisionValue) => decision.allowed),
    tells('reason', STRING, ({ decision }: DecisionValue) => decision.reason),
  ],
};
