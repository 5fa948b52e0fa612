/**
 * Where a request goes on to when the API server does not answer it itself: to a kubelet, a pod, or a pod behind a
 * Service.
 */
export interface Forward {
  /** Address and port to dial. */
  host: string;
  port: number;
  /**
   * 'plain', or TLS: with the API server's own client certificate toward a kubelet (`kubelet`), or without checking
   * whom it has before it (`unverified`: pods and Services behind `https:`, as upstream).
   */
  security: 'plain' | 'kubelet' | 'unverified';
  /** For TLS: the name that the certificate must be for. */
  serverName?: string;
  /** With its query, as the other side sees it. */
  path: string;
  /**
   * 'upgrade': bytes in both directions after an upgrade of protocol. 'stream': a plain answer, passed on as it comes.
   * 'proxy': either, as the client asks; the answer's own links are rewritten to lead through the proxy.
   */
  mode: 'upgrade' | 'stream' | 'proxy';
  /** For 'proxy': the path at the API server that stands for the other side's root, without a slash at its end. */
  prefix?: string;
}
