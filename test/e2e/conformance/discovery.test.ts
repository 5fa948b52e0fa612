/** What the API says of itself: groups, versions, resources; and what it does not serve. */
import { describe, expect, test } from 'vitest';
import { eventually, holds } from '../running-cluster.ts';
import { withDefinitions } from './definitions.ts';
import { playground } from './playground.ts';

interface Group {
  name: string;
  versions: { groupVersion: string; version: string }[];
  preferredVersion: { groupVersion: string; version: string };
}
interface Aggregated {
  kind: string;
  apiVersion: string;
  items: {
    metadata: { name?: string };
    versions: { version: string; resources: { resource: string; responseKind: { kind: string } }[] }[];
  }[];
}

const as = (version: string) => `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;

describe('discovery', () => {
  const ground = playground('discovery', async () => undefined);
  const asked = async (path: string, accept: string) => {
    const answer = await ground().api.ask({ method: 'GET', path, headers: { accept } });
    return { ...answer, type: `${answer.headers['content-type']}`, document: JSON.parse(answer.text) as Aggregated };
  };

  test('Discovery should validate PreferredVersion for each APIGroup', async () => {
    // Again where a group of an earlier test goes meanwhile.
    await holds('each group that is listed tells of itself', async () => {
      const { groups } = await ground().api.get<{ groups: Group[] }>('/apis');
      expect(groups.length).toBeGreaterThan(15);
      for (const { name } of groups) {
        const group = await ground().api.get<Group>(`/apis/${name}`);
        expect(group.versions).toContainEqual(group.preferredVersion);
      }
    });
  });

  test('Discovery should locate the groupVersion and a resource within each APIGroup', async () => {
    const EXPECTED: Record<string, string> = {
      'admissionregistration.k8s.io': 'validatingwebhookconfigurations',
      'apiextensions.k8s.io': 'customresourcedefinitions',
      'apiregistration.k8s.io': 'apiservices',
      apps: 'deployments',
      'authentication.k8s.io': 'tokenreviews',
      'authorization.k8s.io': 'selfsubjectaccessreviews',
      autoscaling: 'horizontalpodautoscalers',
      batch: 'jobs',
      'certificates.k8s.io': 'certificatesigningrequests',
      'coordination.k8s.io': 'leases',
      'discovery.k8s.io': 'endpointslices',
      'events.k8s.io': 'events',
      'networking.k8s.io': 'ingresses',
      'node.k8s.io': 'runtimeclasses',
      policy: 'poddisruptionbudgets',
      'scheduling.k8s.io': 'priorityclasses',
    };
    for (const [name, resource] of Object.entries(EXPECTED)) {
      const { preferredVersion } = await ground().api.get<Group>(`/apis/${name}`);
      const list = await ground().api.get<{ groupVersion: string; resources: { name: string }[] }>(
        `/apis/${preferredVersion.groupVersion}`,
      );
      expect(list.groupVersion).toBe(preferredVersion.groupVersion);
      expect(list.resources.map((each) => each.name)).toContain(resource);
    }
  });

  test('AggregatedDiscovery should support raw aggregated discovery endpoint Accept headers', async () => {
    for (const path of ['/api', '/apis']) {
      const { type, document } = await asked(path, as('v2'));
      expect(type).toBe(as('v2'));
      expect(document).toMatchObject({ kind: 'APIGroupDiscoveryList', apiVersion: 'apidiscovery.k8s.io/v2' });
      const plain = await asked(path, 'application/json');
      expect(plain.document.kind).toBe(path === '/api' ? 'APIVersions' : 'APIGroupList');
      const preferred = await asked(path, `${as('v2')},application/json`);
      expect(preferred.document.kind).toBe('APIGroupDiscoveryList');
    }
  });

  test('AggregatedDiscovery should support aggregated discovery interface', async () => {
    const found = await Promise.all(
      ['/api', '/apis'].map(async (path) => (await asked(path, as('v2'))).document.items),
    );
    const names = found
      .flat()
      .flatMap(({ metadata, versions }) =>
        versions.flatMap(({ version, resources }) =>
          resources.map(({ resource }) => `${metadata.name ?? ''}/${version}/${resource}`),
        ),
      );
    for (const expected of ['/v1/configmaps', '/v1/namespaces', '/v1/pods', '/v1/services', 'apps/v1/deployments'])
      expect(names).toContain(expected);
    for (const expected of ['admissionregistration.k8s.io/v1/mutatingwebhookconfigurations', 'batch/v1/cronjobs'])
      expect(names).toContain(expected);
  });

  const published = (group: string) =>
    eventually(`${group} is discovered`, async () =>
      (await asked('/apis', as('v2'))).document.items.find(({ metadata }) => metadata.name === group),
    );

  test('AggregatedDiscovery should support raw aggregated discovery request for CRDs', async () => {
    await withDefinitions(ground(), [{ group: 'raw.example.com', kind: 'Raw' }], async () => {
      const { versions } = await published('raw.example.com');
      expect(versions[0]?.resources).toMatchObject([{ resource: 'raws', responseKind: { kind: 'Raw' } }]);
    });
  });

  test('AggregatedDiscovery should support aggregated discovery interface for CRDs', async () => {
    const kinds = ['One', 'Two'].map((kind) => ({ group: 'found.example.com', kind }));
    await withDefinitions(ground(), kinds, async () => {
      await eventually('both are found', async () => {
        const { versions } = await published('found.example.com');
        return versions[0]?.resources.length === 2;
      });
      const found = await ground().cluster.kubectl('api-resources', '--api-group=found.example.com', '-o', 'name');
      expect(found.trim().split('\n').sort()).toEqual(['ones.found.example.com', 'twos.found.example.com']);
    });
  });

  test('server version should find the server version', async () => {
    const { major, minor } = await ground().api.get<{ major: string; minor: string } & { metadata: never }>('/version');
    expect(`${major}.${minor}`).toMatch(/^\d+\.\d+\+?$/);
  });

  test('Servers with support for Table transformation should return a 406 for a backend which does not implement metadata', async () => {
    const review = {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec: { resourceAttributes: { verb: 'get', resource: 'pods', namespace: 'default' } },
    };
    const { code, text } = await ground().api.ask({
      method: 'POST',
      path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
      headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io', 'content-type': 'application/json' },
      text: JSON.stringify(review),
    });
    expect(code).toBe(406);
    expect(JSON.parse(text)).toMatchObject({ kind: 'Status', reason: 'NotAcceptable' });
  });
});
