/** The process `kubelet` of a node. Pods outlive it. */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readKubeletConfiguration } from '#api/kubelet-config/kubelet-configuration.ts';
import { startKubelet } from '#node/kubelet/start-kubelet.ts';
import { connectContainerd } from '#node/runtime/containerd/containerd.ts';
import { KUBELET_FOLDER } from '#node/machine/node-namespaces.ts';
import { detectMachineFacts } from '#node/runtime/machine-facts.ts';
import { apiAccess, componentProcess } from './component-process.ts';
import { readNodeConfig } from './node-config.ts';
import { systemClock, systemRandom } from './system-clock.ts';

export async function runKubelet(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: { config: { type: 'string' } } });
  const config = await readNodeConfig(values.config ?? '');
  const component = componentProcess('kubelet');
  const access = { folder: config.credentialsDir, file: 'kubelet.conf', userAgent: 'kubelet' };
  const { client, informers } = apiAccess(component, access);
  const credential = (file: string) => readFile(join(config.credentialsDir, file), 'utf8');
  const root = await kubeletFolder(config.kubeletDir);
  const runtime = connectContainerd({ socketPath: config.containerdSocket, clock: systemClock });
  const kubelet = await startKubelet({
    nodeName: config.nodeName,
    client,
    informers,
    runtime,
    machine: detectMachineFacts(),
    clock: systemClock,
    random: systemRandom,
    log: component.log,
    directories: { root, logs: join(root, 'logs') },
    addresses: config.addresses,
    clusterDNS: config.dnsAddresses,
    clusterDomain: config.clusterDomain,
    cgroupRoot: config.cgroupRoot,
    podCIDRs: config.podRanges,
    configuration: readKubeletConfiguration(config.kubelet ?? {}).configuration,
    keepImages: [config.pauseImage],
    ...(config.leaseDurationSeconds && { leaseDurationSeconds: config.leaseDurationSeconds }),
    server: {
      certificate: await credential('kubelet.crt'),
      key: await credential('kubelet.key'),
      clientCA: await credential('ca.crt'),
    },
  });
  // As systemd tells of a power failure: nothing here holds a shutdown up, as its inhibitor would.
  process.on('SIGPWR', () => void kubelet.shutDown());
  await component.untilTold();
  await kubelet.close();
  process.exit(0);
}

/** By the name that everybody knows, where the node shows it so. */
async function kubeletFolder(own: string): Promise<string> {
  const [known, real] = await Promise.all([stat(KUBELET_FOLDER).catch(() => undefined), stat(own)]);
  return known?.dev === real.dev && known.ino === real.ino ? KUBELET_FOLDER : own;
}
