/** Requests that last as long as their client likes: no deadline, no seat, not waited for at the end. */
import type { RequestInfo } from '../request-info.ts';

const SUBRESOURCES = new Set(['attach', 'exec', 'proxy', 'log', 'portforward']);

/** Source: upstream, BasicLongRunningRequestCheck. */
export const isLongRunning = (info: RequestInfo): boolean =>
  info.isResource && (info.verb === 'watch' || SUBRESOURCES.has(info.subresource));
