import { expect, test } from 'vitest';
import type { ResourceResourceClaim } from '#api/generated/schema.ts';
import { StatusError } from '#api/machinery/status.ts';
import type { Authorizer, ResourceAttributes } from '../authorization/authorizer.ts';
import { allow, noOpinion } from '../authorization/authorizer.ts';
import type { BehaviourContext } from './behaviour.ts';
import { resourceClaimBehaviour } from './resource-claim.ts';

const claim = (spec: object, status?: object): ResourceResourceClaim =>
  ({
    apiVersion: 'resource.k8s.io/v1',
    kind: 'ResourceClaim',
    metadata: { name: 'a', namespace: 'b' },
    spec,
    ...(status && { status }),
  }) as ResourceResourceClaim;

/** `may`: as `verb resource/subresource name`. */
function context({ labels = {}, may = [] as string[], extra = {} }): BehaviourContext {
  const authorizer = {
    authorize: ({ verb, resource, subresource, name }: ResourceAttributes) =>
      may.includes(`${verb} ${resource}/${subresource} ${name}`.trim()) ? allow() : noOpinion('no'),
  } as Authorizer;
  const stored = { get: async () => ({ metadata: { labels } }) };
  const user = { name: 'system:serviceaccount:b:driver', groups: [], extra };
  return { services: { authorizer, stored }, user, verb: 'update', dryRun: false } as unknown as BehaviourContext;
}

const causesOf = (work: Promise<unknown> | undefined): Promise<string[]> =>
  (work ?? Promise.resolve()).then(
    () => [],
    (error: unknown) => {
      if (!(error instanceof StatusError)) throw error;
      return error.details!.causes!.map(({ field, message }) => `${field}: ${message}`);
    },
  );

const asAdmin = claim({ devices: { requests: [{ name: 'r', exactly: { deviceClassName: 'c', adminAccess: true } }] } });

test('devices that others use are for namespaces that have the label', async () => {
  expect(await causesOf(resourceClaimBehaviour.beforeCreate?.(asAdmin, context({})))).toEqual([
    'spec.devices.requests[0].adminAccess: Forbidden: admin access to devices requires the `resource.kubernetes.io/admin-access: true` label on the containing namespace',
  ]);
  const labels = { 'resource.kubernetes.io/admin-access': 'true' };
  expect(await causesOf(resourceClaimBehaviour.beforeCreate?.(asAdmin, context({ labels })))).toEqual([]);
});

const results = [{ request: 'r', driver: 'd.x', pool: 'p', device: 'd' }];
const nodeSelector = {
  nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n'] }] }],
};
const allocated = claim({}, { allocation: { devices: { results }, nodeSelector } });

test('who may write the status may not allocate for that alone', async () => {
  const update = (may: string[]) =>
    causesOf(resourceClaimBehaviour.beforeStatusUpdate?.(allocated, claim({}), context({ may })));
  expect(await update([])).toEqual([
    'status.allocation: Forbidden: changing status.allocation or status.reservedFor requires resource="resourceclaims/binding", verb="update" permission: resourceclaims.resource.k8s.io is forbidden: User "system:serviceaccount:b:driver" cannot update resource "resourceclaims/binding" in API group "resource.k8s.io" at the cluster scope: no',
  ]);
  expect(await update(['update resourceclaims/binding'])).toEqual([]);
});

test('a driver tells of its own devices, on its own node unless it may elsewhere', async () => {
  const told = claim({}, { ...allocated.status, devices: [{ driver: 'd.x', pool: 'p', device: 'd' }] });
  const update = (options: Parameters<typeof context>[0]) =>
    causesOf(resourceClaimBehaviour.beforeStatusUpdate?.(told, allocated, context(options)));
  const there = { 'authentication.kubernetes.io/node-name': ['n'] };
  expect(await update({ may: ['associated-node:update resourceclaims/driver d.x'], extra: there })).toEqual([]);
  expect(await update({ may: ['arbitrary-node:update resourceclaims/driver d.x'] })).toEqual([]);
  expect(await update({ may: ['associated-node:update resourceclaims/driver d.x'] })).toEqual([
    'status.devices: Forbidden: changing status.devices requires resource="resourceclaims/driver", verb="[arbitrary-node:update]" permission: resourceclaims.resource.k8s.io "d.x" is forbidden: User "system:serviceaccount:b:driver" cannot arbitrary-node:update resource "resourceclaims/driver" in API group "resource.k8s.io" in the namespace "b": no',
  ]);
});
