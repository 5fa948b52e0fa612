/**
 * `kedge/testing`: a whole cluster inside a test process, with nothing to download and nothing to wait for. What this file
 * exports is what the package promises; see docs/testing.md.
 */
import type { Controller } from '#control-plane/controllers/define-controller.ts';
import { controllersFor } from '#control-plane/controllers/index.ts';
import { serviceAccountController } from '#control-plane/controllers/service-account.ts';
import { serviceCidrController } from '#control-plane/controllers/service-cidr.ts';
import { type ClusterOptions, startCluster as start } from './cluster.ts';
import { type ControllerMaker, controllerMakers } from './controller-makers.ts';
import type { TestCluster } from './test-cluster.ts';

export type { KubeObject } from '#api/machinery/object.ts';
export { StatusError } from '#api/machinery/status.ts';
export { Unreachable } from '#client/transport.ts';
export type { Sent } from './builders.ts';
export { SCHEDULER } from './cluster.ts';
export type { Fault, Faults, Refusal, Which } from './faults.ts';
export * as kinds from './kinds.ts';
export type { Duration, TestClock } from './test-clock.ts';
export type { TestCluster } from './test-cluster.ts';

export interface TestClusterOptions extends Pick<ClusterOptions, 'clock' | 'rbac' | 'seed'> {
  /** By name, as `cluster.componentNames` has them. Unless told otherwise all of them. */
  controllers?: 'all' | readonly string[];
  /** Unless told otherwise there is one. */
  scheduler?: boolean;
  /** How many nodes whose pods run on paper, named node1, node2 … Unless told otherwise one. */
  simulatedNodes?: number;
}

/** What pods find as the certificate authority of the cluster. Nobody is signed by it. */
const ROOT_CA = 'the certificate authority of a test cluster';

/** What they write before a cluster has nodes is the same in each. */
const BEGINNERS = [
  serviceAccountController.name,
  serviceCidrController.name,
  'root-ca-certificate-publisher-controller', // the same of each process: its authority is the one above
];

/** Ends with `await using`, or when its `[Symbol.asyncDispose]()` is called. */
export function startCluster(options: TestClusterOptions = {}): Promise<TestCluster> {
  const { controllers: names = 'all', scheduler = true, simulatedNodes = 1, ...rest } = options;
  const controllers = chosen(names);
  // Without somebody who makes them, no pod could be created.
  const serviceAccounts = controllers.includes(serviceAccountController);
  // With RBAC each has to write for itself: by the rights that it is given.
  const beginners = rest.rbac ? [] : controllers.filter(isBeginner);
  return start({
    ...rest,
    controllers,
    beginners,
    scheduler,
    simulatedNodes,
    simulatedNodePools: true,
    resourceMetrics: true,
    systemPriorityClasses: true,
    serviceAccounts,
  });
}

const isBeginner = (one: Controller | ControllerMaker): one is Controller => BEGINNERS.includes(one.name);

function chosen(names: 'all' | readonly string[]): (Controller | ControllerMaker)[] {
  const makers = controllerMakers(ROOT_CA);
  const others = controllersFor({ rootCa: ROOT_CA });
  const all = [...others.filter(({ name }) => !makers.some((maker) => maker.name === name)), ...makers];
  if (names === 'all') return all;
  const known = all.map(({ name }) => name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`there is no controller ${unknown}: there are ${known.join(', ')}`);
  return all.filter(({ name }) => names.includes(name));
}
