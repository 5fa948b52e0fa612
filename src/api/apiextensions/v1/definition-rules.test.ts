import { describe, expect, test } from 'vitest';
import type * as schema from '#api/generated/schema.ts';
import { CustomResourceDefinition } from './custom-resource-definition.ts';

const schemaOf = { openAPIV3Schema: { type: 'object' } };
const version = (more: object = {}) => ({ name: 'v1', served: true, storage: true, schema: schemaOf, ...more });
const made = (spec: object = {}, metadata: object = {}) =>
  CustomResourceDefinition.prepareForCreate(
    CustomResourceDefinition.defaults({
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: 'gates.example.com', ...metadata },
      spec: {
        group: 'example.com',
        scope: 'Namespaced',
        names: { plural: 'gates', kind: 'Gate' },
        versions: [version()],
        ...spec,
      },
    } as unknown as schema.CustomResourceDefinition),
  );
const said = (errors: readonly { field: string; message: string }[]) =>
  errors.map(({ field, message }) => `${field}: ${message}`);
const judged = (spec: object, metadata?: object) => said(CustomResourceDefinition.validate(made(spec, metadata)));
const established = (definition: schema.CustomResourceDefinition) => ({
  ...definition,
  metadata: { ...definition.metadata, resourceVersion: '1' },
  status: { ...definition.status, conditions: [{ type: 'Established', status: 'True' }] } as never,
});

const TYPES = 'must be one of boolean,date,integer,number,string';

test.each<[object, string[]]>([
  [{}, []],
  [
    { additionalPrinterColumns: [{ name: '', type: 'text', format: 'big', jsonPath: 'spec' }] },
    [
      'spec.additionalPrinterColumns[0].name: Required value',
      `spec.additionalPrinterColumns[0].type: Invalid value: "text": ${TYPES}`,
      'spec.additionalPrinterColumns[0].format: Invalid value: "big": must be one of byte,date,date-time,double,float,int32,int64,password',
      'spec.additionalPrinterColumns[0].JSONPath: Invalid value: "spec": must be a simple json path starting with .',
    ],
  ],
  [
    { additionalPrinterColumns: [{ name: 'A' }] },
    [
      `spec.additionalPrinterColumns[0].type: Required value: ${TYPES}`,
      'spec.additionalPrinterColumns[0].JSONPath: Required value',
    ],
  ],
  [
    {
      subresources: { scale: { specReplicasPath: '.status.r', statusReplicasPath: '', labelSelectorPath: '.meta.l' } },
    },
    [
      'spec.subresources.scale.specReplicasPath: Invalid value: ".status.r": should be a json path under .spec',
      'spec.subresources.scale.statusReplicasPath: Required value',
      'spec.subresources.scale.labelSelectorPath: Invalid value: ".meta.l": should be a json path under either .spec or .status',
    ],
  ],
  [
    { deprecationWarning: 'old' },
    ['spec.versions[0].deprecationWarning: Invalid value: "old": can only be set for deprecated versions'],
  ],
  [
    { deprecated: true, deprecationWarning: '' },
    ['spec.versions[0].deprecationWarning: Invalid value: "": must not be an empty string'],
  ],
  [
    { deprecated: true, deprecationWarning: 'a\tb' },
    [
      'spec.versions[0].deprecationWarning: Invalid value: "a\\tb": must only contain printable UTF-8 characters; non-printable character found at index 1',
    ],
  ],
])('a version with %j', (more, expected) => {
  expect(judged({ versions: [version(more)] })).toEqual(expected);
});

const webhook = (clientConfig: object | undefined, conversionReviewVersions: string[] = ['v1']) => ({
  conversion: { strategy: 'Webhook', webhook: { conversionReviewVersions, ...(clientConfig && { clientConfig }) } },
});
const at = 'spec.conversion';
const client = `${at}.webhookClientConfig`;

test.each<[object, string[]]>([
  [webhook({ url: 'https://example.com/convert' }), []],
  [webhook({ service: { namespace: 'a', name: 'b', path: '/c' } }), []],
  [
    { conversion: { strategy: 'Magic' } },
    [`${at}.strategy: Unsupported value: "Magic": supported values: "None", "Webhook"`],
  ],
  [
    { conversion: { strategy: 'None', webhook: { conversionReviewVersions: ['v1'], clientConfig: {} } } },
    [
      `${client}: Forbidden: should not be set when strategy is not set to Webhook`,
      `${at}.conversionReviewVersions: Forbidden: should not be set when strategy is not set to Webhook`,
    ],
  ],
  [webhook(undefined), [`${client}: Required value: required when strategy is set to Webhook`]],
  [webhook({}), [`${client}: Required value: exactly one of url or service is required`]],
  [
    webhook({ url: 'http://u:p@/x?a=b#c' }),
    [
      `${client}.url: Invalid value: "http": 'https' is the only allowed URL scheme; desired format: https://host[/path]`,
      `${client}.url: Invalid value: "": host must be specified; desired format: https://host[/path]`,
      `${client}.url: Invalid value: "u:p": user information is not permitted in the URL`,
      `${client}.url: Invalid value: "c": fragments are not permitted in the URL`,
      `${client}.url: Invalid value: "a=b": query parameters are not permitted in the URL`,
    ],
  ],
  [
    webhook({ service: { namespace: 'a', name: '', port: 0, path: 'a//b' } }),
    [
      `${client}.service.name: Required value`,
      `${client}.service.port: Invalid value: 0: port is not valid: must be between 1 and 65535, inclusive`,
      `${client}.service.path: Invalid value: "a//b": must start with a '/'`,
      `${client}.service.path: Invalid value: "a//b": segment[0] may not be empty`,
      `${client}.service.path: Invalid value: "a//b": segment[1] may not be empty`,
    ],
  ],
  [webhook({ url: 'https://a' }, []), [`${at}.conversionReviewVersions: Required value`]],
  [
    webhook({ url: 'https://a' }, ['v7', 'v7']),
    [
      `${at}.conversionReviewVersions[1]: Invalid value: "v7": duplicate version`,
      `${at}.conversionReviewVersions: Invalid value: ["v7","v7"]: must include at least one of v1, v1beta1`,
    ],
  ],
])('a conversion %j', (spec, expected) => {
  expect(judged(spec)).toEqual(expected);
});

test('a Service of a webhook has a port', () => {
  const { conversion } = made(webhook({ service: { namespace: 'a', name: 'b' } })).spec;
  expect(conversion.webhook?.clientConfig?.service?.port).toBe(443);
});

test('an authority that cannot be read must not come to a kind that is in use', () => {
  const current = established(made(webhook({ url: 'https://a' })));
  const next = { ...current, spec: { ...current.spec, ...webhook({ url: 'https://a', caBundle: 'AAAA' }) } } as never;
  expect(said(CustomResourceDefinition.validateUpdate(next, current, ''))).toEqual([
    `${client}.caBundle: Invalid value: "AAAA": unable to load root certificates: unable to parse bytes as PEM block`,
  ]);
  expect(judged(webhook({ url: 'https://a', caBundle: 'AAAA' }))).toEqual([]);
});

test('a version that objects were stored in stays until somebody says that none is left', () => {
  const two = [version({ storage: false }), version({ name: 'v2', storage: true })];
  const current = established(made());
  const both = CustomResourceDefinition.prepareForUpdate(
    { ...current, spec: { ...current.spec, versions: two as never } },
    current,
    '',
  );
  expect(both.status?.storedVersions).toEqual(['v1', 'v2']);
  const less = { ...both, spec: { ...both.spec, versions: two.slice(1) as never } };
  expect(said(CustomResourceDefinition.validateUpdate(less, both, ''))).toEqual([
    'status.storedVersions[0]: Invalid value: "v1": missing from spec.versions; v1 was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in v1 and removes v1 from status.storedVersions',
  ]);
  const migrated = { ...both, status: { ...both.status, storedVersions: ['v2'] } as never };
  expect(said(CustomResourceDefinition.validateUpdate({ ...less, status: migrated.status }, migrated, ''))).toEqual([]);
});

describe('an update of the status', () => {
  const twoVersions = [version({ storage: false }), version({ name: 'v2', storage: true })];
  const current = (() => {
    const definition = established(made({ versions: twoVersions }));
    const status = { ...(definition.status as object), storedVersions: ['v1', 'v2'] };
    return { ...definition, status: status as schema.CustomResourceDefinitionStatus };
  })();
  const changed = (status: object) => {
    const submitted = CustomResourceDefinition.defaults({ ...current, status } as never);
    return CustomResourceDefinition.prepareForUpdate(submitted as typeof current, current, 'status');
  };

  test.each([
    ['takes a version away whose objects were all moved', ['v2'], ['v2']],
    ['is believed also when it is wrong', ['v1'], ['v1']],
    ['cannot leave out all of them', [], ['v2']],
  ])('%s', (_, storedVersions, expected) => {
    const next = changed({ ...current.status, storedVersions });
    expect(next.status?.storedVersions).toEqual(expected);
    expect(said(CustomResourceDefinition.validateUpdate(next, current, 'status'))).toEqual([]);
  });

  test('names names as they can be', () => {
    const next = changed({ ...current.status, acceptedNames: { plural: 'A', kind: '', categories: ['a.b'] } });
    expect(said(CustomResourceDefinition.validateUpdate(next, current, 'status'))).toEqual([
      expect.stringMatching(/^status\.acceptedNames\.plural: Invalid value: "A": a DNS-1035 label must/),
      expect.stringMatching(/^status\.acceptedNames\.categories\[0\]: Invalid value: "a\.b": a DNS-1035 label must/),
    ]);
  });

  test('changes labels, too: of definitions upstream keeps none back', () => {
    const labelled = { ...current, metadata: { ...current.metadata, labels: { a: 'b' } } };
    expect(CustomResourceDefinition.prepareForUpdate(labelled, current, 'status').metadata.labels).toEqual({ a: 'b' });
  });
});

const APPROVED = 'api-approved.kubernetes.io';
const inKubernetes = (annotation?: string) =>
  judged(
    { group: 'example.k8s.io', names: { plural: 'gates', kind: 'Gate' } },
    { name: 'gates.example.k8s.io', ...(annotation !== undefined && { annotations: { [APPROVED]: annotation } }) },
  );

test("a group of Kubernetes' own needs a word of approval", () => {
  const needed = `protected groups must have approval annotation "${APPROVED}"`;
  const see = 'see https://github.com/kubernetes/enhancements/pull/1111';
  expect(inKubernetes()).toEqual([`metadata.annotations[${APPROVED}]: Required value: ${needed}, ${see}`]);
  expect(inKubernetes('x')).toEqual([
    `metadata.annotations[${APPROVED}]: Invalid value: "x": ${needed} with either a URL or a reason starting with "unapproved", ${see}`,
  ]);
  expect(inKubernetes('unapproved, a test')).toEqual([]);
  expect(inKubernetes('https://example.com/1')).toEqual([]);
});

test('names are labels, a kind in any case', () => {
  const names = { plural: 'gates', singular: 'Gate', kind: 'Ga_te', shortNames: ['G'], categories: ['a.b'] };
  const label =
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
  const mixed = `may have mixed case, but should otherwise match: ${label}`;
  expect(judged({ names })).toEqual([
    `spec.names.singular: Invalid value: "Gate": ${label}`,
    `spec.names.kind: Invalid value: "Ga_te": ${mixed}`,
    `spec.names.listKind: Invalid value: "Ga_teList": ${mixed}`,
    `spec.names.shortNames[0]: Invalid value: "G": ${label}`,
    `spec.names.categories[0]: Invalid value: "a.b": ${label}`,
  ]);
});

test('versions have different names and one of them is stored', () => {
  expect(judged({ versions: [version(), version()] })).toEqual([
    'spec.versions: Invalid value: ["v1","v1"]: must contain unique version names',
    'spec.versions: Invalid value: ["v1","v1"]: must have exactly one version marked as storage version',
  ]);
});

const limited = { schema: { openAPIV3Schema: { type: 'object', maxProperties: 3 } } };
const apart = { subresources: { status: {} } };

test.each<[object[], string[]]>([
  [[version(limited)], []],
  [[version({ ...limited, ...apart })], ['spec.validation.openAPIV3Schema']],
  [
    [version({ ...limited, ...apart }), version({ ...limited, name: 'v2', storage: false })],
    ['spec.validation.openAPIV3Schema'],
  ],
  [[version(limited), version({ ...apart, name: 'v2', storage: false })], []],
  [
    [version(apart), version({ ...limited, ...apart, name: 'v2', storage: false })],
    ['spec.versions[1].schema.openAPIV3Schema'],
  ],
])('what stands at the root of a schema is limited where the status is a subresource: %j', (versions, fields) => {
  expect(CustomResourceDefinition.validate(made({ versions })).map(({ field }) => field)).toEqual(fields);
});

test('the root is judged again when the status becomes a subresource', () => {
  const before = established(made({ versions: [version(limited)] }));
  const next = { ...before, spec: { ...before.spec, versions: [version({ ...limited, ...apart })] } } as never;
  const errors = CustomResourceDefinition.validateUpdate(next, before, '');
  expect(errors.map(({ field }) => field)).toEqual(['spec.validation.openAPIV3Schema']);
});
