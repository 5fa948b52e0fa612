/** What `kubectl logs` may ask for. Source: API reference, PodLogOptions. */
import { HttpError } from './http-error.ts';

export interface LogOptions {
  follow: boolean;
  previous: boolean;
  timestamps: boolean;
  /** Lines older than this are left out; ms since the epoch. */
  sinceMs: number | undefined;
  tailLines: number | undefined;
  limitBytes: number | undefined;
  streams: ReadonlySet<'stdout' | 'stderr'>;
}

/** @throws HttpError 400 */
export function logOptionsOf(query: URLSearchParams, nowMs: number): LogOptions {
  const is = (name: string) => ['true', '1', 't'].includes((query.get(name) ?? '').toLowerCase());
  const sinceSeconds = number(query, 'sinceSeconds', 1);
  const sinceTime = query.get('sinceTime');
  if (sinceSeconds !== undefined && sinceTime)
    throw new HttpError(400, 'only one of sinceTime or sinceSeconds can be provided');
  const since = sinceTime ? Date.parse(sinceTime) : undefined;
  if (Number.isNaN(since)) throw new HttpError(400, `invalid sinceTime ${JSON.stringify(sinceTime)}`);
  const stream = query.get('stream') || 'All';
  if (!['All', 'Stdout', 'Stderr'].includes(stream))
    throw new HttpError(400, `invalid stream ${JSON.stringify(stream)}`);
  return {
    follow: is('follow'),
    previous: is('previous'),
    timestamps: is('timestamps'),
    sinceMs: sinceSeconds === undefined ? since : nowMs - sinceSeconds * 1000,
    tailLines: number(query, 'tailLines', 0),
    limitBytes: number(query, 'limitBytes', 1),
    streams: new Set(stream === 'All' ? ['stdout', 'stderr'] : stream === 'Stdout' ? ['stdout'] : ['stderr']),
  };
}

function number(query: URLSearchParams, name: string, least: number): number | undefined {
  const text = query.get(name);
  if (!text) return undefined;
  if (!/^\d{1,15}$/.test(text) || Number(text) < least)
    throw new HttpError(400, `${name}: Invalid value: ${JSON.stringify(text)}`);
  return Number(text);
}
