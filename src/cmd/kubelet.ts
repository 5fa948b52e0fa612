/** The process `kubelet` of a node. Pods outlive it. */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { credentialProviders } from '#api/kubelet-config/credential-provider-config.ts';
import { readKubeletConfiguration } from '#api/kubelet-config/kubelet-configuration.ts';
import { CurrentCredentials } from '#client/transport/credentials.ts';
import { endpointOf, readKubeconfig } from '#client/transport/kubeconfig.ts';
import { networkFacts } from '#network/trace/node-facts.ts';
import type { RotatedCertificate } from '#node/kubelet/certificates/certificate-rotation.ts';
import { startKubelet } from '#node/kubelet/start-kubelet.ts';
import { keepTunnel } from '#node/kubelet/tunnel/keep-tunnel.ts';
import { KUBELET_FOLDER } from '#node/machine/kubelet-folder.ts';
import { connectContainerd } from '#node/runtime/containerd/containerd.ts';
import { detectMachineFacts } from '#node/runtime/machine-facts.ts';
import { apiAccess, type ComponentProcess, componentProcess } from './component-process.ts';
import { type NodeConfig, readNodeConfig } from './node-config.ts';
import type { KeyPair } from './pki/certificate.ts';
import { kubeletServerIdentity, nodeIdentity } from './pki/cluster-identities.ts';
import { type AskedCertificate, requestCertificate } from './pki/request-certificate.ts';
import { RotatedPair } from './pki/rotated-pair.ts';
import { systemClock, systemRandom } from './system-clock.ts';

export async function runKubelet(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: { config: { type: 'string' } } });
  const config = await readNodeConfig(values.config ?? '');
  const component = componentProcess('kubelet');
  const credential = (file: string) => readFile(join(config.credentialsDir, file), 'utf8');
  const authority = await credential('ca.crt');
  const pairs = await kubeletPairs(config, authority);
  const access = { folder: config.credentialsDir, file: 'kubelet.conf', userAgent: 'kubelet' };
  const files = { certFile: pairs.client.path, keyFile: pairs.client.path };
  const { client, informers } = apiAccess(component, { ...access, credentials: { certificate: files } });
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
    ...(config.credentialProviders && { credentialProviders: pluginsOf(config.credentialProviders) }),
    ...(config.leaseDurationSeconds && { leaseDurationSeconds: config.leaseDurationSeconds }),
    server: { ...pairs.server.current, clientCA: authority, readNetwork: networkFacts },
    rotated: {
      client: rotatedCertificate(pairs.client, nodeIdentityRequest(config.nodeName)),
      server: rotatedCertificate(pairs.server, kubeletServerIdentity(config.nodeName, config.addresses)),
    },
  });
  if (config.opensTunnel) openTunnel(component, config, { pair: pairs.client, kubeletPort: kubelet.serverPort() ?? 0 });
  // As systemd tells of a power failure: nothing here holds a shutdown up, as its inhibitor would.
  process.on('SIGPWR', () => void kubelet.shutDown());
  await component.untilTold();
  await kubelet.close();
  process.exit(0);
}

const pluginsOf = ({ configuration, folder }: NonNullable<NodeConfig['credentialProviders']>) => ({
  providers: credentialProviders(configuration),
  folder,
});

/** Goes on for as long as the process does; a renewed certificate is shown from the next connection on. */
function openTunnel(
  { log, signal }: ComponentProcess,
  { credentialsDir, nodeName, podRanges, addresses }: NodeConfig,
  { pair, kubeletPort }: { pair: RotatedPair; kubeletPort: number },
): void {
  const { server, certificateAuthority: ca } = endpointOf(readKubeconfig(join(credentialsDir, 'kubelet.conf')));
  const { hostname, port } = new URL(server);
  const at = { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 443) };
  void keepTunnel({
    nodeName,
    targets: { podRanges, addresses, kubeletPort },
    endpoint: () => ({ ...at, ...(ca && { ca }), cert: pair.current.certificate, key: pair.current.key }),
    clock: systemClock,
    random: systemRandom,
    log,
    signal,
  });
}

/** Its certificates as they are now: given by the cluster, or renewed by itself since. */
async function kubeletPairs(
  { credentialsDir, kubeletDir }: NodeConfig,
  authority: string,
): Promise<{ client: RotatedPair; server: RotatedPair }> {
  const read = (file: string) => readFile(join(credentialsDir, file), 'utf8');
  const { credentials } = endpointOf(readKubeconfig(join(credentialsDir, 'kubelet.conf')));
  const { cert: certificate = '', key = '' } = new CurrentCredentials(credentials, systemClock).certificate();
  const pair = (file: string, given: KeyPair) =>
    new RotatedPair({ path: join(kubeletDir, 'pki', file), given, authority, nowMs: systemClock.now() });
  return {
    client: pair('kubelet-client-current.pem', { certificate, key }),
    server: pair('kubelet-server-current.pem', {
      certificate: await read('kubelet.crt'),
      key: await read('kubelet.key'),
    }),
  };
}

const nodeIdentityRequest = (nodeName: string): AskedCertificate => {
  const { user, groups = [] } = nodeIdentity(nodeName);
  return { commonName: user, organizations: groups };
};

const rotatedCertificate = (pair: RotatedPair, asked: AskedCertificate): RotatedCertificate => ({
  current: () => pair.current.certificate,
  request: () => requestCertificate(asked),
  async install(next) {
    pair.replace(next);
  },
});

/** By the name that everybody knows, where the node shows it so. */
async function kubeletFolder(own: string): Promise<string> {
  const [known, real] = await Promise.all([stat(KUBELET_FOLDER).catch(() => undefined), stat(own)]);
  return known?.dev === real.dev && known.ino === real.ino ? KUBELET_FOLDER : own;
}
