/** What tests of admission policies start with: a server that is audited, policies, and Deployments that meet them. */
import { afterAll, afterEach, beforeAll } from 'vitest';
import { systemClock } from '#cmd/system-clock.ts';
import type { AuditEvent } from '#control-plane/apiserver/audit/audit-event.ts';
import { Auditor } from '#control-plane/apiserver/audit/auditor.ts';
import { parsePolicy } from '#control-plane/apiserver/audit/policy.ts';
import { type HttpsApiServer, startHttpsApiServer } from './https-api-server.ts';

export interface PolicyBed {
  readonly server: HttpsApiServer;
  /** Of creates. */
  readonly events: AuditEvent[];
  kubectl(...args: string[]): Promise<string>;
  create(object: object, ...flags: string[]): Promise<{ stdout: string; stderr: string }>;
  /** One after the other. */
  put(...objects: object[]): Promise<void>;
}

const POLICIES = ['validatingadmissionpolicies', 'mutatingadmissionpolicies'];

/** One server for all tests of a file; after each all policies go, and what they were shown with. */
export function usePolicyBed(): PolicyBed {
  const events: AuditEvent[] = [];
  let server: HttpsApiServer;
  const kubectl = async (...args: string[]) => (await server.kubectl(args)).stdout;
  const create: PolicyBed['create'] = (object, ...flags) =>
    server.kubectl(['create', '-f', '-', ...flags], JSON.stringify(object));

  beforeAll(async () => {
    const auditor = new Auditor({
      policy: parsePolicy('apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: Metadata\n  verbs: [create]\n'),
      sinks: [{ write: (event) => void events.push(event), close: async () => undefined }],
      clock: systemClock,
    });
    server = await startHttpsApiServer({ auditor });
    await kubectl('label', 'namespace', 'default', 'team=red');
  });
  afterAll(() => server?.[Symbol.asyncDispose]());
  afterEach(async () => {
    for (const resource of POLICIES) {
      await kubectl('delete', resource.replace('policies', 'policybindings'), '--all');
      await kubectl('delete', resource, '--all');
    }
    await kubectl('delete', 'deployments,configmaps', '--all', '-n', 'default');
  });

  return {
    get server() {
      return server;
    },
    events,
    kubectl,
    create,
    async put(...objects) {
      for (const object of objects) await create(object);
    },
  };
}

const GROUP = 'admissionregistration.k8s.io/v1';
const deployments = {
  resourceRules: [
    { apiGroups: ['apps'], apiVersions: ['v1'], operations: ['CREATE', 'UPDATE'], resources: ['deployments'] },
  ],
};
const named = (kind: string, name: string, spec: object) => ({ apiVersion: GROUP, kind, metadata: { name }, spec });
export const policy = (spec: object) =>
  named('ValidatingAdmissionPolicy', 'limits.example.com', { matchConstraints: deployments, ...spec });
export const binding = (spec: object = {}) =>
  named('ValidatingAdmissionPolicyBinding', 'limits-here.example.com', {
    policyName: 'limits.example.com',
    validationActions: ['Deny'],
    ...spec,
  });
export const validation = (expression: string, more: object = {}) => ({ validations: [{ expression, ...more }] });
export const mutation = (spec: object) =>
  named('MutatingAdmissionPolicy', 'changes.example.com', {
    matchConstraints: deployments,
    reinvocationPolicy: 'Never',
    ...spec,
  });
export const mutationBinding = (spec: object = {}) =>
  named('MutatingAdmissionPolicyBinding', 'changes-here.example.com', { policyName: 'changes.example.com', ...spec });
export const deployment = (name: string, replicas: number, labels: object = { app: name }) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name, labels },
  spec: {
    replicas,
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'web', image: 'web:1' }] } },
  },
});

/** How a denial begins. */
export const REFUSED = `ValidatingAdmissionPolicy 'limits.example.com' with binding 'limits-here.example.com' denied request:`;
