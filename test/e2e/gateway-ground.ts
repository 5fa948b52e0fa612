/** Servers on three nodes to which the routes of a Gateway lead, and clients that ask there. */
import { expect } from 'vitest';
import type { Sent } from './conformance/api.ts';
import { object } from './conformance/playground.ts';
import { eventually } from './running-cluster.ts';
import {
  everyNode,
  NODES,
  type NodeName,
  type Question,
  serviceOf,
  type ThreeNodes,
  threeNodes,
} from './three-nodes-ground.ts';

export const GATEWAY_API = 'gateway.networking.k8s.io/v1';
/** Of the routes that `route` makes. */
export const HOST = 'ways.example.com';
/** The listener of the Gateway `gate` that serves every host. */
export const OWN = { name: 'own', port: 8088, protocol: 'HTTP' };

const of = (node: NodeName, more = {}) => ({ selector: { app: 'server', on: node }, ...more });
const SERVICES = [
  serviceOf('one', of('node1')),
  serviceOf('two', of('node2')),
  serviceOf('three', of('node3')),
  serviceOf('calls', of('node3', { ports: [{ port: 9000 }] })),
  serviceOf('other-calls', of('node2', { ports: [{ port: 9000 }] })),
];

/** What is asked, by HTTP of the listener `own` unless it says otherwise, and what is answered. */
export type Claim = [asked: Partial<Question>, wanted: unknown];

export interface GatewayGround extends ThreeNodes {
  /** Of the Gateway `gate`, as soon as it has one. */
  address(): Promise<string>;
  /** Fails unless the client of each node is answered so. */
  answersAre(claimsOf: (node: NodeName) => readonly Claim[]): Promise<void>;
}

/** `more` is made together with the servers, their Services and the clients. */
export function gatewayGround(name: string, ...more: Sent[]): GatewayGround {
  const ground = threeNodes(name, [...SERVICES, ...more]);
  const address = () =>
    eventually('the Gateway has an address', async () => {
      const path = ground().path('Gateway', GATEWAY_API, 'gate');
      const { status } = await ground().api.get<{ status?: { addresses?: { value: string }[] } }>(path);
      return status?.addresses?.[0]?.value;
    });
  return Object.assign(ground, {
    address,
    async answersAre(claimsOf: (node: NodeName) => readonly Claim[]) {
      const usual = { how: 'http', address: await address(), port: OWN.port, host: HOST } as const;
      const questions = (node: NodeName) => claimsOf(node).map(([asked]) => ({ ...usual, ...asked }));
      const said = await everyNode((node) => ground.answers(node, questions(node)));
      expect(said).toEqual(NODES.map((node) => claimsOf(node).map(([, wanted]) => wanted)));
    },
  });
}

export const gateway = (name: string, ...listeners: object[]) =>
  object('Gateway', name, { spec: { gatewayClassName: 'kedge', listeners } }, GATEWAY_API);

const parentRefs = [{ name: 'gate', sectionName: OWN.name }];
export const route = (name: string, rules: object[]) =>
  object('HTTPRoute', name, { spec: { parentRefs, hostnames: [HOST], rules } }, GATEWAY_API);
export const callRoute = (name: string, host: string, rules: object[]) =>
  object('GRPCRoute', name, { spec: { parentRefs, hostnames: [host], rules } }, GATEWAY_API);

export const to = (name: string, more = {}) => ({ backendRefs: [{ name, port: 80, ...more }] });
export const below = (value: string, more = {}) => ({ matches: [{ path: { type: 'PathPrefix', value }, ...more }] });
