/** The Ingress of one node: nothing but a few small watches until there is something to serve, then processes that carry the traffic. */

import type { KeyPair } from './certificates.ts';
import { IngressWorkers, type IngressWorkersOptions } from './ingress-workers.ts';
import { keepTableCurrent, type TableOptions } from './keep-table-current.ts';
import { serveMetrics } from './metrics-server.ts';
import { metricsText } from './traffic-metrics.ts';

export interface IngressOptions extends Omit<TableOptions, 'onChange'>, IngressWorkersOptions {
  /** For clients that ask for a host without a certificate. */
  fallbackCertificate(): KeyPair;
  /** Where what the processes have counted is told. */
  metricsAt: { host: string; port: number };
}

export async function startIngress(options: IngressOptions): Promise<void> {
  let workers: IngressWorkers | undefined;
  await keepTableCurrent({
    ...options,
    onChange: (change) => {
      if (!workers) {
        workers = new IngressWorkers(options);
        workers.tell({ fallbackCertificate: options.fallbackCertificate() });
        void tellMetrics(workers, options);
      }
      workers.tell(change);
    },
  });
}

async function tellMetrics(workers: IngressWorkers, { metricsAt, log, signal }: IngressOptions): Promise<void> {
  try {
    const server = await serveMetrics(metricsAt, async () => metricsText(await workers.counts()));
    signal.addEventListener('abort', () => server.close(), { once: true });
  } catch (error) {
    log.warn('the metrics of the Ingress are not told', { error: String(error) });
  }
}
