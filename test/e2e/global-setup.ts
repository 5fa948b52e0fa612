/** One cluster of three nodes for all end-to-end tests; node failure is noticed and acted on within seconds. */
import type { TestProject } from 'vitest/node';
import { KedgeCluster } from './running-cluster.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    cluster: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const cluster = new KedgeCluster(`e2e${process.pid}`);
  project.provide('cluster', cluster.name);
  await cluster.up(
    '--nodes',
    '3',
    '--example',
    'web',
    '--node-monitor-grace-period',
    '10s', // a node that is only slow is not lost
    '--default-toleration-seconds',
    '2',
  );
  return () => cluster.down();
}
