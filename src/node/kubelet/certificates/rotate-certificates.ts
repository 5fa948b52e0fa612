/** Keeps the certificates of a kubelet from ending: as which it asks the API, and what its own API shows. */
import type { KubeletConfiguration } from '#api/kubelet-config/kubelet-configuration.ts';
import type { KubeletServer } from '../server/kubelet-server.ts';
import {
  CertificateRotation,
  type CertificateRotationOptions,
  type RotatedCertificate,
} from './certificate-rotation.ts';

export interface RotatedCertificates {
  client?: RotatedCertificate;
  server?: RotatedCertificate;
}

type Services = Omit<CertificateRotationOptions, 'certificate' | 'signerName' | 'purpose'>;

export function rotateCertificates(
  { client, server }: RotatedCertificates,
  services: Services & { configuration: KubeletConfiguration; shownBy: KubeletServer | undefined },
): void {
  const { configuration, shownBy } = services;
  const rotate = (certificate: RotatedCertificate, which: Pick<CertificateRotationOptions, 'signerName' | 'purpose'>) =>
    void new CertificateRotation({ ...services, certificate, ...which }).run();
  if (client && configuration.rotateCertificates)
    rotate(client, { signerName: 'kubernetes.io/kube-apiserver-client-kubelet', purpose: 'client auth' });
  if (!server || !configuration.serverTLSBootstrap) return;
  const install: RotatedCertificate['install'] = async (pair) => {
    await server.install(pair);
    shownBy?.useCertificate(pair);
  };
  rotate({ ...server, install }, { signerName: 'kubernetes.io/kubelet-serving', purpose: 'server auth' });
}
