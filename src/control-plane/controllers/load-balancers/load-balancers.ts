/** What a provider of load balancers must do: a cloud's, or the local one. */
import type { Node } from '#api/core/v1/node.ts';
import type { Service } from '#api/core/v1/service.ts';
import type { LoadBalancerIngress } from '#api/generated/schema.ts';

export interface LoadBalancerWish {
  service: Service;
  /** Where its traffic may be sent, by name. Empty: nowhere yet. */
  nodes: readonly Node[];
  /** Addresses of all other Services. */
  taken: ReadonlySet<string>;
}

export interface LoadBalancers {
  /**
   * Makes it so that the Service is reached at some address outside of the cluster, by way of these nodes. May be asked again
   * at any time, and gives the same address as long as that is possible. Throws NotYet, which says in a few words why not.
   */
  ensure(wish: LoadBalancerWish): Promise<LoadBalancerIngress[]>;
  /** Ends what `ensure` began, also half of it. */
  remove(service: Service): Promise<void>;
}
