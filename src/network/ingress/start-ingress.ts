/** The Ingress of one node: nothing but two small watches until there is an Ingress for it, then processes that carry its traffic. */

import type { KeyPair } from './certificates.ts';
import { IngressWorkers, type IngressWorkersOptions } from './ingress-workers.ts';
import { keepTableCurrent, type TableOptions } from './keep-table-current.ts';

export interface IngressOptions extends Omit<TableOptions, 'onChange'>, IngressWorkersOptions {
  /** For clients that ask for a host without a certificate. */
  fallbackCertificate(): KeyPair;
}

export async function startIngress(options: IngressOptions): Promise<void> {
  let workers: IngressWorkers | undefined;
  await keepTableCurrent({
    ...options,
    onChange: (change) => {
      if (!workers) {
        workers = new IngressWorkers(options);
        workers.tell({ fallbackCertificate: options.fallbackCertificate() });
      }
      workers.tell(change);
    },
  });
}
