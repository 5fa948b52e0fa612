/** What one node knows of a request's way at this moment, as its kubelet answers at `/debug/network`. */

export interface NetworkFacts {
  /** TCP ports that something in the pod listens on; absent: no pod was asked about, or it has no process. */
  listening?: number[];
  /** Of the address and port that were asked about, in the kernel of the node. */
  front?: {
    /** `endpoints`: translated to one of them. `refused`, `dropped`: there is none. `absent`: the kernel has no rule for it. */
    state: 'endpoints' | 'refused' | 'dropped' | 'absent';
    /** Connections through it that the kernel follows now. */
    connections: number;
    /** Of the proxy's mode ipvs: endpoints, how many new connections each gets beside the others, and how many it has had. */
    realServers?: { address: string; weight: number; taken: number }[];
    /** Of the mode ipvs: what the node lacks so that packets get to IPVS. */
    missing?: string;
  };
  /** What NetworkPolicies of the pod have dropped since their rules were made, in packets; absent: nothing isolates it. */
  dropped?: { ingress?: number; egress?: number };
}
