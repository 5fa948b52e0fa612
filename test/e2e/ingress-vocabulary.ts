/** The words in which `ingress-ways.ts` and its tests are written: an Ingress, a question that goes to it, an answer. */
import { expect } from 'vitest';
import { object } from './conformance/playground.ts';
import type { Question } from './three-nodes-ground.ts';

export const INGRESS_API = 'networking.k8s.io/v1';
/** Of an Ingress that says nothing else. */
export const hostOf = (name: string) => `${name}.ways.example.com`;

/** What the Services `far` and `api` say. */
export const [FAR, API_ANSWER] = ['200 server-node3', '200 server-node2'];

/** What is left out: to the Service `far`, at the host of the Ingress, every path. */
interface Rule {
  host?: string;
  service?: string;
  port?: number;
  path?: string;
  pathType?: string;
  secret?: string;
}
export function ingress(name: string, annotations: Record<string, string>, ...rules: Rule[]) {
  const known = rules.length > 0 ? rules : [{}];
  const spec = {
    ingressClassName: 'nginx',
    tls: known.flatMap(({ host = hostOf(name), secret }) => (secret ? [{ hosts: [host], secretName: secret }] : [])),
    rules: known.map(({ host = hostOf(name), service = 'far', port = 80, path = '/', pathType = 'Prefix' }) => ({
      host,
      http: { paths: [{ path, pathType, backend: { service: { name: service, port: { number: port } } } }] },
    })),
  };
  const prefixed = Object.entries(annotations).map(([key, value]) => [`nginx.ingress.kubernetes.io/${key}`, value]);
  return {
    ...object('Ingress', name, { spec }, INGRESS_API),
    metadata: { name, annotations: Object.fromEntries(prefixed) },
  };
}
/** Of the Ingress `name`, to the Service `api`. */
export const canary = (name: string, annotations: Record<string, string>) =>
  ingress(`${name}-canary`, { canary: 'true', ...annotations }, { host: hostOf(name), service: 'api' });

export const at = (name: string, path = '/', more: Partial<Question> = {}): Partial<Question> => ({
  host: hostOf(name),
  path,
  ...more,
});
export const secure = (name: string, path = '/', more: Partial<Question> = {}) =>
  at(name, path, { how: 'https', port: 443, ...more });
/** An echo that holds all of these. */
export const echoes = (...parts: string[]) =>
  expect.stringMatching(
    new RegExp(`^200 ${parts.map((part) => `(?=.*${part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')})`).join('')}`),
  );
export const says = (status: number) => expect.stringMatching(new RegExp(`^${status} `));
