/** How pods, nodes and Services reach one another: by address, by port and by name. */
import { describe, expect, test } from 'vitest';
import { eventually, holds } from '../running-cluster.ts';
import { SERVER } from './image.ts';
import { container, object, type Playground, type PodSpec, playground, pod, shell } from './playground.ts';

interface Service {
  metadata: { name: string; resourceVersion?: string; annotations?: Record<string, string> };
  spec: { clusterIP?: string; ports: { port: number; nodePort?: number; name?: string }[] };
  status?: object;
}
const SERVE: Partial<PodSpec> = {
  restartPolicy: 'Always',
  containers: [
    container({
      command: SERVER,
      env: [
        { name: 'PORTS', value: '8080,8081' },
        { name: 'UDP_PORTS', value: '8080' },
      ],
      readinessProbe: { httpGet: { path: '/healthz', port: 8080 }, periodSeconds: 1 },
    }),
  ],
};
const REST: Partial<PodSpec> = { containers: [shell('sleep 1000')] };
const WEB = { app: 'web' };
const service = (name: string, spec: object, labels: Record<string, string> = {}) => ({
  ...object('Service', name, { spec }),
  metadata: { name, labels },
});
const port = (number: number, parts: object = {}) => ({ port: number, targetPort: 8080, ...parts });

describe('services', () => {
  const NAMESPACE = 'conformance-services';
  const ground = playground('services', async (it) => {
    await it.create(
      pod('server-1', { labels: WEB, spec: { ...SERVE, nodeName: 'node1' } }),
      pod('server-2', { labels: WEB, spec: { ...SERVE, nodeName: 'node2' } }),
      pod('client', { spec: REST }),
      pod('host-client', { spec: { ...REST, hostNetwork: true } }),
      pod('named', { labels: { app: 'named' }, spec: { ...REST, hostname: 'querier', subdomain: 'headless-named' } }),
      pod('nameservers', {
        spec: { ...REST, dnsPolicy: 'None', dnsConfig: { nameservers: ['1.1.1.1'], searches: ['resolv.conf.local'] } },
      }),
      service('headless', { clusterIP: 'None', selector: WEB, ports: [{ name: 'http', port: 80, targetPort: 8080 }] }),
      service('headless-named', {
        clusterIP: 'None',
        selector: { app: 'named' },
        ports: [{ name: 'http', port: 1234 }],
      }),
      service('plain', { selector: WEB, ports: [port(80, { name: 'http' })] }),
    );
    for (const name of ['server-1', 'server-2', 'client', 'host-client', 'named', 'nameservers']) await it.ready(name);
    return undefined;
  });
  const ipOf = async (name: string) => (await ground().pod(name)).status?.podIP ?? '';
  const pathOf = (name: string) => ground().path('Service', 'v1', name);
  const make = async (name: string, spec: object) => {
    await ground().create(service(name, spec));
    return ground().api.get<Service>(pathOf(name));
  };
  const ask = async (url: string, from = 'client') =>
    (await ground().tryExec(from, `timeout 3 wget -qO- ${url}`)).stdout.trim();
  const askUdp = (address: string, number: number, from = 'client') =>
    inNode(
      ground(),
      `const s=require('dgram').createSocket('udp4');s.on('message',m=>{console.log(''+m);s.close()});s.send('hi',${number},'${address}');setTimeout(()=>process.exit(0),2000).unref()`,
      from,
    );
  /** Asks until it answers, and until all of them have. */
  const reaches = (url: string, names = ['server-1', 'server-2'], from = 'client') => {
    const seen = new Set<string>();
    return eventually(`${url} answers from ${names}`, async () => {
      const script = `for i in 1 2 3 4 5 6; do timeout 3 wget -qO- ${url}; echo; done`;
      for (const name of (await ground().tryExec(from, script)).stdout.split('\n')) if (name) seen.add(name);
      return names.every((name) => seen.has(name)) && seen.size === names.length;
    });
  };
  const nodeAddress = async () => (await ground().cluster.nodeAddresses())[0]?.ip ?? '';

  for (const [what, from] of [
    ['intra-pod', 'client'],
    ['node-pod', 'host-client'],
  ] as const) {
    test(`Networking Granular Checks: Pods should function for ${what} communication: http`, async () => {
      for (const name of ['server-1', 'server-2'])
        await holds(`${name} answers`, async () =>
          expect(await ask(`http://${await ipOf(name)}:8080/hostname`, from)).toBe(name),
        );
    });
    test(`Networking Granular Checks: Pods should function for ${what} communication: udp`, async () => {
      for (const name of ['server-1', 'server-2'])
        await holds(`${name} answers`, async () => expect(await askUdp(await ipOf(name), 8080, from)).toBe(name));
    });
  }

  describe('the API server', () => {
    test('API Server should provide secure master service', async () => {
      const { spec } = await ground().api.get<Service>('/api/v1/namespaces/default/services/kubernetes');
      expect(spec.ports).toContainEqual(expect.objectContaining({ name: 'https', port: 443 }));
    });

    test('API Server should have Endpoints and EndpointSlices pointing to API Server', async () => {
      const { subsets } = await ground().api.get<{
        subsets: { addresses: { ip: string }[]; ports: { name: string }[] }[];
      }>('/api/v1/namespaces/default/endpoints/kubernetes');
      expect(subsets[0]?.addresses.length).toBeGreaterThan(0);
      const { items } = await ground().api.get<{
        items: { endpoints: { addresses: string[] }[]; ports: { name: string }[] }[];
      }>(
        '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io/service-name%3Dkubernetes',
      );
      expect(items.flatMap(({ endpoints }) => endpoints.flatMap(({ addresses }) => addresses)).sort()).toEqual(
        subsets.flatMap(({ addresses }) => addresses.map(({ ip }) => ip)).sort(),
      );
      expect(items[0]?.ports[0]?.name).toBe(subsets[0]?.ports[0]?.name);
    });
  });

  describe('names', () => {
    const look = (name: string) =>
      inNode(ground(), `require('dns').promises.lookup('${name}').then(r=>console.log(r.address))`);
    const resolve = async (what: string, name: string) =>
      JSON.parse(
        await inNode(ground(), `require('dns').promises.${what}('${name}').then(r=>console.log(JSON.stringify(r)))`),
      ) as unknown[];
    const resolves = (what: string, name: string, answers: unknown[]) =>
      holds(`${name} is known`, async () => expect(await resolve(what, name)).toEqual(answers));
    const FULL = `${NAMESPACE}.svc.cluster.local`;

    test('DNS should provide DNS for the cluster', async () => {
      const { spec } = await ground().api.get<Service>('/api/v1/namespaces/default/services/kubernetes');
      await resolves('resolve4', 'kubernetes.default.svc.cluster.local', [spec.clusterIP]);
    });
    test('DNS should provide /etc/hosts entries for the cluster', async () => {
      expect(await ground().exec('named', 'cat /etc/hosts')).toContain(
        `${await ipOf('named')}\tquerier.headless-named.${FULL}\tquerier`,
      );
    });
    test('DNS should provide DNS for services', async () => {
      const { spec } = await ground().api.get<Service>(pathOf('plain'));
      const ips = [await ipOf('server-1'), await ipOf('server-2')].sort();
      await resolves('resolve4', `plain.${FULL}`, [spec.clusterIP]);
      await eventually(
        'both pods have a name',
        async () => (await resolve('resolve4', `headless.${FULL}`)).length === 2,
      );
      expect((await resolve('resolve4', `headless.${FULL}`)).sort()).toEqual(ips);
      await resolves('resolveSrv', `_http._tcp.plain.${FULL}`, [
        expect.objectContaining({ name: `plain.${FULL}`, port: 80 }),
      ]);
      expect(await resolve('resolveSrv', `_http._tcp.headless.${FULL}`)).toHaveLength(2);
      await resolves('reverse', spec.clusterIP ?? '', [`plain.${FULL}`]);
    });
    test('DNS should resolve DNS of partial qualified names for services', async () => {
      const { spec } = await ground().api.get<Service>(pathOf('plain'));
      for (const name of ['plain', `plain.${NAMESPACE}`, `plain.${NAMESPACE}.svc`])
        await holds(`${name} is known`, async () => expect(await look(name)).toBe(spec.clusterIP));
    });
    test('DNS should provide DNS for pods for Hostname', async () => {
      expect(await ground().exec('named', 'hostname')).toBe('querier');
      const ip = await ipOf('named');
      await eventually('it has a name', async () => (await look(`querier.headless-named.${FULL}`)) === ip);
    });
    test('DNS should provide DNS for pods for Subdomain', async () => {
      expect(await ground().exec('named', 'hostname -f')).toBe(`querier.headless-named.${FULL}`);
      await resolves('resolve4', `headless-named.${FULL}`, [await ipOf('named')]);
    });
    test('DNS should provide DNS for ExternalName services', async () => {
      const { api } = ground();
      await make('external', { type: 'ExternalName', externalName: 'foo.example.com' });
      const cname = async () => (await resolve('resolveCname', `external.${FULL}`).catch(() => []))[0];
      await eventually('the first name', async () => (await cname()) === 'foo.example.com');
      await api.patch(pathOf('external'), { spec: { externalName: 'bar.example.com' } });
      await eventually('the second name', async () => (await cname()) === 'bar.example.com');
      await api.patch(pathOf('external'), { spec: { type: 'ClusterIP', externalName: null, ports: [port(80)] } });
      const { spec } = await api.get<Service>(pathOf('external'));
      await eventually(
        'an address',
        async () => (await resolve('resolve4', `external.${FULL}`).catch(() => []))[0] === spec.clusterIP,
      );
    });
    test('DNS should support configurable pod DNS nameservers', async () => {
      expect((await ground().exec('nameservers', 'cat /etc/resolv.conf')).split('\n').sort()).toEqual([
        'nameserver 1.1.1.1',
        'search resolv.conf.local',
      ]);
    });
  });

  describe('ways to a service', () => {
    test('Services should serve a basic endpoint from pods', async () => {
      await make('basic', { selector: { app: 'basic' }, ports: [port(80)] });
      const addresses = () => endpointsOf(ground(), 'basic');
      expect(await addresses()).toEqual([]);
      for (const name of ['basic-1', 'basic-2']) {
        await ground().create(pod(name, { labels: { app: 'basic' }, spec: SERVE }));
        await ground().ready(name);
      }
      await eventually('both are listed', async () => (await addresses()).length === 2);
      await reaches('http://basic', ['basic-1', 'basic-2']);
      await ground().api.delete(ground().path('Pod', 'v1', 'basic-1'));
      await eventually('one is listed', async () => (await addresses()).length === 1);
      await reaches('http://basic', ['basic-2']);
      await ground().api.delete(ground().path('Pod', 'v1', 'basic-2'));
      await eventually('none is listed', async () => (await addresses()).length === 0);
    });

    test('Services should serve multiport endpoints from pods', async () => {
      await make('multiport', {
        selector: WEB,
        ports: [port(80, { name: 'one' }), port(81, { name: 'two', targetPort: 8081 })],
      });
      await reaches('http://multiport:80');
      await reaches('http://multiport:81');
    });

    test('Services should serve endpoints on same port and different protocols', async () => {
      const ports = [port(80, { name: 'tcp' }), port(80, { name: 'udp', protocol: 'UDP' })];
      const { spec } = await make('protocols', { selector: WEB, ports });
      await reaches('http://protocols');
      const udp = () => askUdp(spec.clusterIP ?? '', 80);
      await eventually('UDP answers', async () => (await udp()).startsWith('server-'));
      await ground().api.patch(pathOf('protocols'), { spec: { ports: ports.slice(0, 1) } });
      await eventually('UDP answers no more', async () => (await udp()) === '');
      await reaches('http://protocols');
    });

    test('Services should be able to create a functioning NodePort service', async () => {
      const { spec } = await make('nodeport', { type: 'NodePort', selector: WEB, ports: [port(80)] });
      await reaches('http://nodeport');
      for (const { ip } of await ground().cluster.nodeAddresses()) {
        await reaches(`http://${ip}:${spec.ports[0]?.nodePort}`);
        await reaches(`http://${ip}:${spec.ports[0]?.nodePort}`, undefined, 'host-client');
      }
    });

    test('Services should be able to change the type from ExternalName to ClusterIP', async () => {
      await make('to-cluster-ip', { type: 'ExternalName', externalName: 'foo.example.com' });
      await ground().api.patch(pathOf('to-cluster-ip'), {
        spec: { type: 'ClusterIP', externalName: null, selector: WEB, ports: [port(80)] },
      });
      await reaches('http://to-cluster-ip');
    });

    test('Services should be able to change the type from ExternalName to NodePort', async () => {
      await make('to-node-port', { type: 'ExternalName', externalName: 'foo.example.com' });
      const { spec } = await ground().api.patch<Service & { kind: string; apiVersion: string }>(
        pathOf('to-node-port'),
        {
          spec: { type: 'NodePort', externalName: null, selector: WEB, ports: [port(80)] },
        },
      );
      await reaches('http://to-node-port');
      await reaches(`http://${await nodeAddress()}:${spec.ports[0]?.nodePort}`);
    });

    for (const type of ['ClusterIP', 'NodePort']) {
      test(`Services should be able to change the type from ${type} to ExternalName`, async () => {
        const name = `external-${type.toLowerCase()}`;
        await make(name, { type, selector: WEB, ports: [port(80)] });
        await reaches(`http://${name}`);
        const externalName = `plain.${NAMESPACE}.svc.cluster.local`;
        const change = { type: 'ExternalName', externalName, clusterIP: null, clusterIPs: null };
        const { spec } = await ground().api.patch<Service>(pathOf(name), { spec: change });
        expect(spec.clusterIP).toBeFalsy();
        await eventually('it is another name', async () =>
          (await ground().tryExec('client', `nslookup ${name}.${NAMESPACE}.svc.cluster.local`)).stdout.includes(
            externalName,
          ),
        );
      });
    }

    for (const [title, type, name] of [
      ['service with type clusterIP', 'ClusterIP', 'sticky-ip'],
      ['NodePort service', 'NodePort', 'sticky-port'],
    ] as const) {
      const made = async (sessionAffinity: string, suffix: string) => {
        const { spec } = await make(`${name}-${suffix}`, { type, sessionAffinity, selector: WEB, ports: [port(80)] });
        const [first] = spec.ports;
        return type === 'ClusterIP' ? `http://${spec.clusterIP}` : `http://${await nodeAddress()}:${first?.nodePort}`;
      };
      const sticks = (url: string) =>
        eventually('always the same pod answers', async () => {
          const said = await ground()
            .exec('client', `for i in $(seq 15); do timeout 3 wget -qO- ${url}; echo; done`)
            .catch(() => '');
          const names = said.split('\n');
          return names.length === 15 && new Set(names).size === 1;
        });
      test(`Services should have session affinity work for ${title}`, async () => {
        await sticks(await made('ClientIP', 'always'));
      });
      test(`Services should be able to switch session affinity for ${title}`, async () => {
        const url = await made('None', 'switched');
        await reaches(url);
        await ground().api.patch(pathOf(`${name}-switched`), { spec: { sessionAffinity: 'ClientIP' } });
        await sticks(url);
        await ground().api.patch(pathOf(`${name}-switched`), {
          spec: { sessionAffinity: 'None', sessionAffinityConfig: null },
        });
        await reaches(url);
      });
    }
  });

  describe('services as objects', () => {
    test('Services should find a service from listing all namespaces', async () => {
      const { items } = await ground().api.get<{ items: Service[] }>('/api/v1/services');
      expect(items.map(({ metadata }) => metadata.name)).toEqual(expect.arrayContaining(['kubernetes', 'plain']));
    });

    test('Services should delete a collection of services', async () => {
      const labels = { many: 'true' };
      await ground().create(
        ...['many-1', 'many-2', 'many-3'].map((name) => service(name, { ports: [port(80)] }, labels)),
      );
      const all = `${ground().path('Service')}?labelSelector=many%3Dtrue`;
      expect((await ground().api.get<{ items: unknown[] }>(all)).items).toHaveLength(3);
      await ground().api.delete(all);
      await eventually(
        'they are gone',
        async () => (await ground().api.get<{ items: unknown[] }>(all)).items.length === 0,
      );
      expect((await ground().api.try('GET', pathOf('plain'))).code).toBe(200);
    });

    test('Services should complete a service status lifecycle', async () => {
      const { api } = ground();
      const path = pathOf('status');
      await make('status', { type: 'LoadBalancer', ports: [port(80)] });
      const loadBalancer = { ingress: [{ ip: '203.0.113.1' }] };
      const patched = await api.patch<Service>(`${path}/status`, {
        metadata: { annotations: { patched: 'true' } },
        status: { loadBalancer },
      });
      expect(patched.metadata.annotations).toMatchObject({ patched: 'true' });
      expect(patched.status).toMatchObject({ loadBalancer: { ingress: [{ ip: '203.0.113.1' }] } });
      const conditions = [
        {
          type: 'StatusUpdate',
          status: 'True',
          reason: 'E2E',
          message: 'Set',
          lastTransitionTime: new Date().toISOString(),
        },
      ];
      // Its controller may write beside us.
      const updated = await eventually('the status is updated', async () => {
        const now = await api.get<Service>(path);
        return api.put<Service>(`${path}/status`, { ...now, status: { ...now.status, conditions } });
      });
      expect(updated.status).toMatchObject({ conditions: [{ type: 'StatusUpdate' }] });
      await api.patch(path, { metadata: { labels: { late: 'true' } } });
      await api.delete(path);
      await ground().gone(path);
    });
  });

  describe('endpoints', () => {
    test('EndpointSlice should create and delete EndpointSlices for a Service with a selector that matches no pods', async () => {
      await make('no-pods', { selector: { app: 'none' }, ports: [port(80)] });
      await eventually('it has a slice', async () => (await slicesOf(ground(), 'no-pods')).length > 0);
      await ground().api.delete(pathOf('no-pods'));
      await eventually('it has none', async () => (await slicesOf(ground(), 'no-pods')).length === 0);
    });

    test('EndpointSlice should create Endpoints and EndpointSlices for Pods matching a Service', async () => {
      await make('matching', { selector: WEB, ports: [port(80)] });
      const ips = [await ipOf('server-1'), await ipOf('server-2')].sort();
      await eventually('slices', async () => String((await endpointsOf(ground(), 'matching')).sort()) === String(ips));
      const path = ground().path('Endpoints', 'v1', 'matching');
      await eventually('Endpoints', async () => {
        const { subsets } = await ground().api.get<{ subsets: { addresses: { ip: string }[] }[] }>(path);
        return String(subsets.flatMap(({ addresses }) => addresses.map(({ ip }) => ip)).sort()) === String(ips);
      });
    });

    const ownSlice = (name: string, of: string, parts: object) => ({
      ...object('EndpointSlice', name, parts, 'discovery.k8s.io/v1'),
      metadata: { name, labels: { 'kubernetes.io/service-name': of } },
    });
    const slice = (ip: string, number: number) => ({
      addressType: 'IPv4',
      endpoints: [{ addresses: [ip] }],
      ports: [{ name: 'http', protocol: 'TCP', port: number }],
    });
    test('EndpointSlice should support a Service with multiple endpoint IPs specified in multiple EndpointSlices', async () => {
      await make('own-ips', { ports: [{ name: 'http', port: 80 }] });
      await ground().create(
        ownSlice('own-ips-1', 'own-ips', slice(await ipOf('server-1'), 8080)),
        ownSlice('own-ips-2', 'own-ips', slice(await ipOf('server-2'), 8080)),
      );
      await reaches('http://own-ips');
    });
    test('EndpointSlice should support a Service with multiple ports specified in multiple EndpointSlices', async () => {
      await make('own-ports', { ports: [{ name: 'http', port: 80 }] });
      await ground().create(
        ownSlice('own-ports-1', 'own-ports', slice(await ipOf('server-1'), 8080)),
        ownSlice('own-ports-2', 'own-ports', slice(await ipOf('server-2'), 8081)),
      );
      await reaches('http://own-ports');
    });

    test('Endpoints should test the lifecycle of an Endpoint', async () => {
      const { api } = ground();
      const path = ground().path('Endpoints', 'v1', 'lived');
      const all = '/api/v1/endpoints?labelSelector=lived%3Dtrue';
      const subsets = [{ addresses: [{ ip: '10.0.0.24' }], ports: [{ name: 'http', port: 80, protocol: 'TCP' }] }];
      await ground().create({
        ...object('Endpoints', 'lived', { subsets }),
        metadata: { name: 'lived', labels: { lived: 'true' } },
      });
      expect((await api.get<{ items: unknown[] }>(all)).items).toHaveLength(1);
      const found = await api.get(path);
      await api.put(path, { ...found, metadata: { ...found.metadata, labels: { lived: 'true', updated: 'true' } } });
      const ports = [{ name: 'http', port: 8080, protocol: 'TCP' }];
      await api.patch(path, { subsets: [{ addresses: [{ ip: '10.0.0.25' }], ports }] }, 'strategic');
      expect(await api.get(path)).toMatchObject({
        metadata: { labels: { updated: 'true' } },
        subsets: [{ addresses: [{ ip: '10.0.0.25' }], ports }],
      });
      await api.delete(`${ground().path('Endpoints')}?labelSelector=lived%3Dtrue`);
      await eventually('it is gone', async () => (await api.get<{ items: unknown[] }>(all)).items.length === 0);
    });
  });

  test('HostPort validates that there is no conflict between pods with same hostPort but different hostIP and protocol', async () => {
    const ip = (await ground().cluster.nodeAddresses()).find(({ name }) => name === 'node1')?.ip ?? '';
    const hostPort = 54323;
    const on = (name: string, hostIP: string, protocol: 'TCP' | 'UDP') =>
      pod(name, {
        spec: {
          ...SERVE,
          nodeSelector: { 'kubernetes.io/hostname': 'node1' },
          containers: (SERVE.containers ?? []).map((each) => ({
            ...each,
            ports: [{ containerPort: 8080, hostPort, hostIP, protocol }],
          })),
        },
      });
    await ground().create(
      on('host-port-1', '127.0.0.1', 'TCP'),
      on('host-port-2', ip, 'TCP'),
      on('host-port-3', ip, 'UDP'),
    );
    for (const name of ['host-port-1', 'host-port-2', 'host-port-3']) await ground().ready(name);
    await ground().create(pod('on-node-1', { spec: { ...REST, hostNetwork: true, nodeName: 'node1' } }));
    await ground().ready('on-node-1');
    await reaches(`http://127.0.0.1:${hostPort}`, ['host-port-1'], 'on-node-1');
    await reaches(`http://${ip}:${hostPort}`, ['host-port-2'], 'on-node-1');
    await eventually('UDP answers', async () => (await askUdp(ip, hostPort, 'on-node-1')) === 'host-port-3');
  });
});

/** What a program in Node.js in the pod prints. */
function inNode(ground: Playground, program: string, from = 'client'): Promise<string> {
  return ground.exec(from, `node -e "${program}"`);
}

interface Slice {
  endpoints: { addresses: string[] }[];
}
async function slicesOf(ground: Playground, service: string): Promise<Slice[]> {
  const all = ground.path('EndpointSlice', 'discovery.k8s.io/v1');
  const selected = `${all}?labelSelector=kubernetes.io/service-name%3D${service}`;
  return (await ground.api.get<{ items: Slice[] }>(selected)).items;
}
async function endpointsOf(ground: Playground, service: string): Promise<string[]> {
  return (await slicesOf(ground, service)).flatMap(({ endpoints }) => endpoints.flatMap(({ addresses }) => addresses));
}
