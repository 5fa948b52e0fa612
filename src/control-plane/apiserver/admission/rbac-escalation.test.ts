import { beforeEach, expect, test } from 'vitest';
import { type AdmissionFixture, admissionFixture, inA } from '#testing/admission-fixture.ts';

let admit: AdmissionFixture['admit'];
beforeEach(() => {
  ({ admit } = admissionFixture());
});

test('who may not hand out rules is refused a role, and may still label one', async () => {
  const { Role } = await import('#api/rbac/v1/role.ts');
  const role = (verbs: string[], labels = {}) =>
    ({
      ...inA('Role', 'r', { metadata: { labels } }),
      apiVersion: 'rbac.authorization.k8s.io/v1',
      rules: [{ apiGroups: [''], resources: ['pods'], verbs }],
    }) as unknown as import('#api/rbac/v1/role.ts').Role;
  await expect(admit(Role, { object: role(['get']) })).rejects.toThrow('is attempting to grant RBAC permissions');
  const labelled = { verb: 'update', old: role(['get']), object: role(['get'], { a: 'b' }) } as const;
  await expect(admit(Role, labelled)).resolves.toBeDefined();
});
