import { expect, test } from 'vitest';
import { wantedOf } from './fronts.ts';
import { ProxyTable } from './proxy-table.ts';
import type { ServicePort } from './service-port.ts';

const context = {
  family: 'ipv4' as const,
  podRanges: ['10.244.0.0/16'],
  serviceRanges: ['10.96.0.0/16'],
  ownAddresses: ['10.96.0.10'],
};
const web = (...ips: string[]): ServicePort => ({
  id: 'default/web:http',
  protocol: 'tcp',
  port: 80,
  clusterIPs: ['10.96.0.20'],
  externalIPs: [],
  guardedIPs: [],
  sourceRanges: [],
  nodePort: undefined,
  endpoints: ips.map((ip) => ({ ip, port: 8080, isLocal: true })),
  localEndpoints: [],
  readyLocalIPs: [],
  servingIPs: [],
  isExternalLocal: false,
  isInternalLocal: false,
  affinitySeconds: undefined,
});
const apply = (table: ProxyTable, key: string, ports: ServicePort[] | undefined) => {
  const transaction = table.commandsFor(new Map([[key, ports && wantedOf(ports)]]));
  transaction.applied();
  return transaction.commands;
};

test('the first transaction replaces the whole table, later ones carry only what changed', () => {
  const table = new ProxyTable(context);
  expect(apply(table, 'service default/web', [web('10.244.1.2')])).toContain('delete table ip kube-proxy');
  expect(apply(table, 'service default/web', [web('10.244.1.3')])).toEqual([
    'delete element ip kube-proxy lb1-tcp-eps { 10.96.0.20 . 80 . 0 : 10.244.1.2 . 8080 }',
    'add element ip kube-proxy lb1-tcp-eps { 10.96.0.20 . 80 . 0 : 10.244.1.3 . 8080 }',
    'delete element ip kube-proxy hairpin { 10.244.1.2 . 10.244.1.2 }',
    'add element ip kube-proxy hairpin { 10.244.1.3 . 10.244.1.3 }',
  ]);
  expect(apply(table, 'service default/web', [web('10.244.1.3')])).toEqual([]);
});

test('an endpoint of two Services keeps its hairpin rule until the second lets go', () => {
  const table = new ProxyTable(context);
  const other = { ...web('10.244.1.2'), id: 'default/other:http', clusterIPs: ['10.96.0.21'] };
  apply(table, 'service default/web', [web('10.244.1.2')]);
  apply(table, 'service default/other', [other]);
  expect(apply(table, 'service default/web', undefined).join()).not.toContain('hairpin');
  expect(apply(table, 'service default/other', undefined).join()).toContain('delete element ip kube-proxy hairpin');
});

test('after a failure the next transaction builds everything anew, with what was there before', () => {
  const table = new ProxyTable(context);
  apply(table, 'service default/web', [web('10.244.1.2')]);
  table.forget();
  const commands = table.commandsFor(new Map()).commands;
  expect(commands).toContain('delete table ip kube-proxy');
  expect(commands.join('\n')).toContain('add element ip kube-proxy svc { 10.96.0.20 . tcp . 80 : goto lb1-tcp }');
});
