import { expect, test } from 'vitest';
import { Ingress } from '#api/networking/v1/ingress.ts';
import { IngressClass } from '#api/networking/v1/ingress-class.ts';
import { startCluster } from '#testing/cluster.ts';
import { ingressStatus } from './ingress-status.ts';

test('Ingresses of the class, and no others, are told where they are reached', async () => {
  const controllers = [ingressStatus({ controller: 'example.com/ours', addresses: ['192.0.2.1'] })];
  await using cluster = await startCluster({ controllers, scheduler: false });
  const backend = { service: { name: 'web', port: { number: 80 } } };
  const ingress = (name: string, ingressClassName: string) => ({
    metadata: { name, namespace: 'default' },
    spec: { ingressClassName, defaultBackend: backend },
  });
  await cluster.create(Ingress, ingress('ours', 'ours'));
  await cluster.create(Ingress, ingress('theirs', 'theirs'));
  await cluster.create(IngressClass, { metadata: { name: 'theirs' }, spec: { controller: 'example.com/theirs' } });
  await cluster.settles();
  const addressesOf = async (name: string) => (await cluster.get(Ingress, `default/${name}`))?.status?.loadBalancer;
  expect(await addressesOf('ours')).toEqual({}); // nobody serves the class yet
  await cluster.create(IngressClass, { metadata: { name: 'ours' }, spec: { controller: 'example.com/ours' } });
  await cluster.settles();
  expect(await addressesOf('ours')).toEqual({ ingress: [{ ip: '192.0.2.1' }] });
  expect(await addressesOf('theirs')).toEqual({});
});

const AT = { name: 'web', namespace: 'default' };

test('an Ingress that goes over to another class loses our address, but not what others said', async () => {
  const controllers = [ingressStatus({ controller: 'example.com/ours', addresses: ['192.0.2.1'] })];
  await using cluster = await startCluster({ controllers, scheduler: false });
  for (const name of ['ours', 'theirs'])
    await cluster.create(IngressClass, { metadata: { name }, spec: { controller: `example.com/${name}` } });
  const defaultBackend = { service: { name: 'web', port: { number: 80 } } };
  await cluster.create(Ingress, {
    metadata: AT,
    spec: { ingressClassName: 'ours', defaultBackend },
  });
  const ingressOf = async () => (await cluster.get(Ingress, 'default/web'))?.status?.loadBalancer?.ingress;
  await cluster.settles();
  expect(await ingressOf()).toEqual([{ ip: '192.0.2.1' }]);
  await cluster.patch(Ingress, 'default/web', { spec: { ingressClassName: 'theirs' } });
  await cluster.settles();
  expect(await ingressOf()).toBeUndefined();
  const said = { loadBalancer: { ingress: [{ ip: '192.0.2.1' }, { ip: '192.0.2.9' }] } };
  await cluster.patch(Ingress, { ...AT, subresource: 'status' }, { status: said });
  await cluster.settles();
  expect(await ingressOf()).toEqual(said.loadBalancer.ingress);
});
