/** `docs/controllers.md`, of every controller that there is. */

import { pageOf } from '#control-plane/controllers/controller-graph.ts';
import { controllersFor } from '#control-plane/controllers/index.ts';

export const PAGE = 'docs/controllers.md';

const nobody = (): never => {
  throw new Error('the page is drawn, nothing runs');
};

/** With everything that depends on the cluster: none of it is called. */
export const controllersPage = (): string =>
  pageOf(
    controllersFor({
      rootCa: 'PEM',
      nodeIpam: { clusterCIDRs: ['10.244.0.0/16'] },
      certificateSigner: { sign: nobody },
      secretTokens: { rootCa: 'PEM', issue: nobody },
      autoscaler: {
        metrics: { ofResource: nobody, ofPods: nobody, ofObject: nobody, external: nobody },
        scales: { find: nobody },
      },
      ownerScales: { sizeOf: nobody },
      hmac: nobody,
      loadBalancers: {} as never,
      localPath: {} as never,
    }),
  );
