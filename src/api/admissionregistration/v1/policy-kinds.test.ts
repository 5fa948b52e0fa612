import { describe, expect, test } from 'vitest';
import type { KubeObject } from '#api/machinery/object.ts';
import { MutatingAdmissionPolicy } from './mutating-admission-policy.ts';
import { MutatingAdmissionPolicyBinding } from './mutating-admission-policy-binding.ts';
import { MutatingWebhookConfiguration } from './mutating-webhook-configuration.ts';
import { ValidatingAdmissionPolicy } from './validating-admission-policy.ts';
import { ValidatingAdmissionPolicyBinding } from './validating-admission-policy-binding.ts';
import { ValidatingWebhookConfiguration } from './validating-webhook-configuration.ts';

type AnyKind = { defaults(object: never): never; validate(object: never): { field: string; message: string }[] };
const said = (kind: unknown, object: object, name = 'p.example.com') => {
  const { defaults, validate } = kind as AnyKind;
  const whole = { metadata: { name, uid: 'u' }, ...object } as unknown as KubeObject;
  return validate(defaults(whole as never)).map(({ field, message }) => `${field}: ${message}`);
};

const rules = [{ apiGroups: ['apps'], apiVersions: ['v1'], operations: ['CREATE'], resources: ['deployments'] }];
const policy = (more: object) => ({
  spec: {
    matchConstraints: { resourceRules: rules },
    validations: [{ expression: 'object.spec.replicas < 5' }],
    ...more,
  },
});

describe('a ValidatingAdmissionPolicy', () => {
  test.each<[string, object, string[]]>([
    ['that is good', {}, []],
    [
      'with params',
      { paramKind: { apiVersion: 'v1', kind: 'ConfigMap' }, validations: [{ expression: 'params == null' }] },
      [],
    ],
    [
      'whose expression does not compile',
      { validations: [{ expression: 'objekt.x' }] },
      [
        `spec.validations[0].expression: Invalid value: "objekt.x": compilation failed: ERROR: <input>:1:1: undeclared reference to 'objekt' (in container '')\n | objekt.x\n | ^`,
      ],
    ],
    [
      'whose expression is no condition',
      { validations: [{ expression: '1 + 1' }] },
      ['spec.validations[0].expression: Invalid value: "1 + 1": must evaluate to bool but got int'],
    ],
    [
      'whose expression is missing',
      { validations: [{ expression: ' ' }] },
      ['spec.validations[0].expression: Required value: expression is not specified'],
    ],
    [
      'that uses params it does not have',
      { validations: [{ expression: 'params.x == 1' }] },
      [expect.stringContaining("undeclared reference to 'params' (in container '')")],
    ],
    [
      'whose message is no text',
      { validations: [{ expression: 'true', messageExpression: '1' }] },
      ['spec.validations[0].messageExpression: Invalid value: "1": must evaluate to string but got int'],
    ],
    [
      'whose message asks the authorizer',
      { validations: [{ expression: 'true', messageExpression: 'authorizer.path("/").check("get").reason()' }] },
      [expect.stringContaining("undeclared reference to 'authorizer' (in container '')")],
    ],
    [
      'whose message has two lines',
      { validations: [{ expression: 'true', message: 'a\nb', reason: 'NotFound' }] },
      [
        'spec.validations[0].message: Invalid value: "a\\nb": must not contain line breaks',
        'spec.validations[0].reason: Unsupported value: "NotFound": supported values: "Forbidden", "Invalid", "RequestEntityTooLarge"',
      ],
    ],
    [
      'without validations',
      { validations: [] },
      [
        'spec.validations: Required value: validations or auditAnnotations must contain at least one item',
        'spec.auditAnnotations: Required value: validations or auditAnnotations must contain at least one item',
      ],
    ],
    [
      'with variables, of which each sees those before it',
      {
        variables: [
          { name: 'replicas', expression: 'object.spec.replicas' },
          { name: 'ok', expression: 'variables.replicas < 5' },
        ],
        validations: [{ expression: 'variables.ok' }],
      },
      [],
    ],
    [
      'with variables in the wrong order, and of bad names',
      {
        variables: [
          { name: 'a', expression: 'variables.b' },
          { name: 'b-c', expression: '1' },
          { name: 'in', expression: '' },
        ],
      },
      [
        expect.stringContaining(
          'spec.variables[0].expression: Invalid value: "variables.b": compilation failed: ERROR: <input>:1:10: undefined field \'b\'',
        ),
        'spec.variables[1].name: Invalid value: "b-c": must be a valid CEL identifier',
        'spec.variables[2].name: Invalid value: "in": must be a valid CEL identifier',
        'spec.variables[2].expression: Required value: expression is not specified',
      ],
    ],
    [
      'with audit annotations',
      {
        auditAnnotations: [
          { key: 'ok', valueExpression: 'string(object.spec.replicas)' },
          { key: 'ok', valueExpression: '1' },
          { key: 'no', valueExpression: '' },
        ],
      },
      [
        'spec.auditAnnotations[1].valueExpression: Invalid value: "1": must evaluate to one of [string null_type] but got int',
        'spec.auditAnnotations[1].key: Duplicate value: "ok"',
        'spec.auditAnnotations[2].valueExpression: Required value: valueExpression is not specified',
      ],
    ],
    ['without rules', { matchConstraints: {} }, ['spec.matchConstraints.resourceRules: Required value']],
    [
      'with a kind of params that is none',
      { paramKind: { apiVersion: 'a/b/c', kind: 'No_Kind' } },
      [
        'spec.paramKind.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c',
        expect.stringContaining(
          'spec.paramKind.kind: Invalid value: "No_Kind": may have mixed case, but should otherwise match: a DNS-1035 label',
        ),
      ],
    ],
    [
      'with bad conditions',
      {
        matchConditions: [
          { name: 'a', expression: 'variables.x' },
          { name: 'a', expression: '' },
          { name: '', expression: 'true' },
        ],
      },
      [
        expect.stringContaining("undeclared reference to 'variables' (in container '')"),
        'spec.matchConditions[1].expression: Required value',
        'spec.matchConditions[1].name: Duplicate value: "a"',
        'spec.matchConditions[2].name: Required value',
      ],
    ],
    [
      'with bad rules',
      {
        matchConstraints: {
          resourceRules: [
            {
              resourceNames: ['a', 'a', 'b/c'],
              apiGroups: ['', '*'],
              apiVersions: [''],
              operations: ['*', 'CREATE'],
              resources: ['*', 'pods', 'pods/*', 'pods/exec', '*/*'],
            },
          ],
        },
      },
      [
        'spec.matchConstraints.resourceRules[0].resourceNames[1]: Duplicate value: "a"',
        expect.stringContaining(
          'spec.matchConstraints.resourceRules[0].resourceNames[2]: Invalid value: "b/c": may not contain',
        ),
        `spec.matchConstraints.resourceRules[0].operations: Invalid value: ["*","CREATE"]: if '*' is present, must not specify other operations`,
        `spec.matchConstraints.resourceRules[0].apiGroups: Invalid value: ["","*"]: if '*' is present, must not specify other API groups`,
        'spec.matchConstraints.resourceRules[0].apiVersions[0]: Required value',
        `spec.matchConstraints.resourceRules[0].resources[3]: Invalid value: "pods/exec": if 'pods/*' is present, must not specify pods/exec`,
        `spec.matchConstraints.resourceRules[0].resources: Invalid value: ["*","pods","pods/*","pods/exec","*/*"]: if '*/*' is present, must not specify other resources`,
        `spec.matchConstraints.resourceRules[0].resources: Invalid value: ["*","pods","pods/*","pods/exec","*/*"]: if '*' is present, must not specify other resources without subresources`,
      ],
    ],
  ])('%s', (_, more, expected) => expect(said(ValidatingAdmissionPolicy, policy(more))).toEqual(expected));

  test('has no more than 64 conditions', () => {
    const matchConditions = Array.from({ length: 65 }, (_, i) => ({ name: `c${i}`, expression: 'true' }));
    expect(said(ValidatingAdmissionPolicy, policy({ matchConditions }))).toEqual([
      'spec.matchConditions: Too many: 65: must have at most 64 items',
    ]);
  });
});

describe('a MutatingAdmissionPolicy', () => {
  const mutation = (expression: string, patchType = 'JSONPatch') =>
    patchType === 'JSONPatch'
      ? { patchType, jsonPatch: { expression } }
      : { patchType, applyConfiguration: { expression } };
  const mutating = (...mutations: object[]) => ({
    spec: { matchConstraints: { resourceRules: rules }, reinvocationPolicy: 'Never', mutations },
  });

  test.each<[string, object, string[]]>([
    ['of a JSON patch', mutating(mutation('[JSONPatch{op: "add", path: "/spec/replicas", value: 3}]')), []],
    ['of a configuration', mutating(mutation('Object{spec: Object.spec{replicas: 3}}', 'ApplyConfiguration')), []],
    [
      'of what is neither',
      mutating(mutation('1'), mutation('1', 'ApplyConfiguration')),
      [
        'spec.mutations[0].jsonPatch.expression: Invalid value: "1": must evaluate to list(JSONPatch) but got int',
        'spec.mutations[1].applyConfiguration.expression: Invalid value: "1": must evaluate to Object but got int',
      ],
    ],
    ['of nothing', mutating(), ['spec.mutations: Required value: mutations must contain at least one item']],
    [
      'of the other sort',
      mutating({ patchType: 'JSONPatch', applyConfiguration: { expression: 'Object{}' } }, { patchType: 'Other' }, {}),
      [
        'spec.mutations[0].jsonPatch: Required value: must be specified when patchType is JSONPatch',
        'spec.mutations[0].applyConfiguration: Invalid value: "{applyConfiguration}": must not be specified when patchType is JSONPatch',
        'spec.mutations[1].patchType: Unsupported value: "Other": supported values: "ApplyConfiguration", "JSONPatch"',
        'spec.mutations[2].patchType: Required value',
      ],
    ],
  ])('%s', (_, object, expected) => expect(said(MutatingAdmissionPolicy, object)).toEqual(expected));

  test('is not for deletes, and says when it wants to be asked again', () => {
    const resourceRules = [{ ...rules[0], operations: ['DELETE'] }];
    const object = { spec: { matchConstraints: { resourceRules }, mutations: [mutation('[]')] } };
    expect(said(MutatingAdmissionPolicy, object)).toEqual([
      'spec.matchConstraints.resourceRules.operations: Unsupported value: "DELETE": supported values: "*", "CONNECT", "CREATE", "UPDATE"',
      expect.stringContaining(
        'spec.mutations[0].jsonPatch.expression: Invalid value: "[]": must evaluate to list(JSONPatch)',
      ),
      'spec.reinvocationPolicy: Required value',
    ]);
  });
});

describe('a binding', () => {
  test.each<[string, unknown, object, string[]]>([
    ['that denies', ValidatingAdmissionPolicyBinding, { policyName: 'p', validationActions: ['Deny'] }, []],
    [
      'that denies and warns',
      ValidatingAdmissionPolicyBinding,
      { policyName: 'p', validationActions: ['Deny', 'Warn', 'Warn', 'No'] },
      [
        'spec.validationActions[2]: Duplicate value: "Warn"',
        'spec.validationActions[3]: Unsupported value: "No": supported values: "Audit", "Deny", "Warn"',
        'spec.validationActions: Invalid value: ["Deny","Warn","Warn","No"]: must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)',
      ],
    ],
    [
      'that does nothing',
      ValidatingAdmissionPolicyBinding,
      { policyName: 'P' },
      [
        expect.stringContaining('spec.policyName: Invalid value: "P": a lowercase RFC 1123 subdomain'),
        'spec.validationActions: Required value: at least one validation action is required',
      ],
    ],
    [
      'whose params are not named well',
      MutatingAdmissionPolicyBinding,
      { policyName: 'p', paramRef: { name: 'a', selector: {}, parameterNotFoundAction: 'Maybe' } },
      [
        'spec.paramRef.name: Forbidden: name and selector are mutually exclusive',
        'spec.paramRef.selector: Forbidden: name and selector are mutually exclusive',
        'spec.paramRef.parameterNotFoundAction: Unsupported value: "Maybe": supported values: "Deny", "Allow"',
      ],
    ],
    [
      'whose params are not named',
      MutatingAdmissionPolicyBinding,
      { policyName: 'p', paramRef: {} },
      [
        'spec.paramRef: Required value: one of name or selector must be specified',
        'spec.paramRef.parameterNotFoundAction: Required value',
      ],
    ],
  ])('%s', (_, kind, spec, expected) => expect(said(kind, { spec })).toEqual(expected));
});

describe('a webhook', () => {
  const webhook = (more: object) => ({
    webhooks: [
      {
        name: 'w.example.com',
        admissionReviewVersions: ['v1'],
        sideEffects: 'None',
        clientConfig: { url: 'https://example.com/x' },
        ...more,
      },
    ],
  });
  test.each<[string, object, string[]]>([
    ['that is good', { matchConditions: [{ name: 'c', expression: 'request.userInfo.username != "x"' }] }, []],
    [
      'with a condition that is none',
      { matchConditions: [{ name: 'c', expression: '[]' }] },
      [
        expect.stringContaining(
          'webhooks[0].matchConditions[0].expression: Invalid value: "[]": must evaluate to bool but got list(',
        ),
      ],
    ],
    [
      'with a short name',
      { name: 'w' },
      ['webhooks[0].name: Invalid value: "w": should be a domain with at least three segments separated by dots'],
    ],
    [
      'that may take long',
      { timeoutSeconds: 31 },
      ['webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds'],
    ],
    [
      'at a bad address',
      { clientConfig: { url: 'http://u:p@example.com/x?q=1#f' } },
      [
        `webhooks[0].clientConfig.url: Invalid value: "http": 'https' is the only allowed URL scheme; desired format: https://host[/path]`,
        'webhooks[0].clientConfig.url: Invalid value: "u:p": user information is not permitted in the URL',
        'webhooks[0].clientConfig.url: Invalid value: "f": fragments are not permitted in the URL',
        'webhooks[0].clientConfig.url: Invalid value: "q=1": query parameters are not permitted in the URL',
      ],
    ],
    [
      'at a bad path of a Service',
      { clientConfig: { service: { name: 's', namespace: 'n', path: 'a//b', port: 70000 } } },
      [
        'webhooks[0].clientConfig.service.port: Invalid value: 70000: port is not valid: must be between 1 and 65535, inclusive',
        `webhooks[0].clientConfig.service.path: Invalid value: "a//b": must start with a '/'`,
        'webhooks[0].clientConfig.service.path: Invalid value: "a//b": segment[0] may not be empty',
        'webhooks[0].clientConfig.service.path: Invalid value: "a//b": segment[1] may not be empty',
      ],
    ],
    [
      'of versions that nobody knows',
      { admissionReviewVersions: ['v2', 'v2', 'V3'] },
      [
        'webhooks[0].admissionReviewVersions[1]: Invalid value: "v2": duplicate version',
        expect.stringContaining('webhooks[0].admissionReviewVersions[2]: Invalid value: "V3": a DNS-1035 label'),
        'webhooks[0].admissionReviewVersions: Invalid value: ["v2","v2","V3"]: must include at least one of v1, v1beta1',
      ],
    ],
  ])('%s', (_, more, expected) => {
    expect(said(ValidatingWebhookConfiguration, webhook(more))).toEqual(expected);
    expect(said(MutatingWebhookConfiguration, webhook(more))).toEqual(expected);
  });
});
