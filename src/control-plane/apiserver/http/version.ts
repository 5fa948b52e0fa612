/** Which Kubernetes this is to clients: they choose features by it. */
import { arch } from 'node:process';

export const KUBERNETES_VERSION = { major: '1', minor: '36', gitVersion: 'v1.36.0+kedge' };

const GO_ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64', ia32: '386' };

/** version.Info of apimachinery; what Go builds would say stands empty. */
export const versionInfo = (): Readonly<Record<string, string>> => ({
  ...KUBERNETES_VERSION,
  emulationMajor: '1',
  emulationMinor: '36',
  minCompatibilityMajor: '1',
  minCompatibilityMinor: '35',
  gitCommit: '',
  gitTreeState: 'clean',
  buildDate: '1970-01-01T00:00:00Z',
  goVersion: '',
  compiler: '',
  platform: `linux/${GO_ARCHITECTURES[arch] ?? arch}`,
});
