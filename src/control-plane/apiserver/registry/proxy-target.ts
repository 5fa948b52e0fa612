/** `https:web:8443`, `web:http`, `web`: what a proxy URL names. Source: API reference, connect proxy requests. */
import { badRequest } from '#api/machinery/status.ts';

export interface ProxyTarget {
  scheme: '' | 'http' | 'https';
  id: string;
  /** A number, a name, or ''. */
  port: string;
}

export function proxyTarget(text: string): ProxyTarget {
  const parts = text.split(':');
  const refuse = () => badRequest(`invalid proxy request ${JSON.stringify(text)}`);
  if (parts.length === 1) return { scheme: '', id: text, port: '' };
  if (parts.length === 2) return { scheme: '', id: parts[0]!, port: parts[1]! };
  const [scheme, id, port] = parts;
  if (parts.length > 3 || (scheme !== 'http' && scheme !== 'https' && scheme !== '')) throw refuse();
  return { scheme, id: id!, port: port! };
}
