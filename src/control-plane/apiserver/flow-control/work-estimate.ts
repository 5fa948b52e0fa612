/**
 * How many seats a request takes, and how long it holds some of them after its answer: a list holds memory, a write makes
 * work for everybody who watches. Source: upstream's util/flowcontrol/request.
 */
import { isTrue, type ResourceRequestInfo } from '../request-info.ts';

export interface WorkEstimate {
  initialSeats: number;
  /** Held for `lingerMs` after the answer. */
  finalSeats: number;
  lingerMs: number;
}

/** What is stored of a resource. */
export interface CollectionSize {
  objects: number;
  bytes: number;
}

export const ONE_SEAT: WorkEstimate = { initialSeats: 1, finalSeats: 0, lingerMs: 0 };
const BYTES_PER_SEAT = 100_000;
/** A list from the cache is sent as it is put together: it never holds more at a time. */
const MAX_BYTES_AT_ONCE = 1_000_000;
const MAX_LIST_SEATS = 100;
const MAX_MUTATING_SEATS = 10;
const WATCHERS_PER_SEAT = 10;
const EVENT_MS = 5;

export interface EstimateOptions {
  /** What one request of its priority level may take; 0: unknown. */
  maxSeats: number;
  /** undefined: nothing is known of the resource here. */
  size(info: ResourceRequestInfo): CollectionSize | undefined;
  watchers(info: ResourceRequestInfo): number;
}

export function estimatedWork(info: ResourceRequestInfo, options: EstimateOptions): WorkEstimate {
  switch (info.verb) {
    case 'list':
      return listWork(info, options);
    case 'watch':
      return sendsInitialEvents(info) ? listWork(info, options) : ONE_SEAT;
    case 'create':
    case 'update':
    case 'patch':
    case 'delete':
      return writeWork(info, options);
    default:
      return ONE_SEAT;
  }
}

function sendsInitialEvents({ query }: ResourceRequestInfo): boolean {
  const version = query.get('resourceVersion') ?? '';
  return isTrue(query.get('sendInitialEvents')) || version === '' || version === '0';
}

function listWork(info: ResourceRequestInfo, { maxSeats, size }: EstimateOptions): WorkEstimate {
  if (info.name) return ONE_SEAT;
  const stored = size(info);
  if (!stored || stored.objects === 0) return ONE_SEAT;
  const limit = Number(info.query.get('limit'));
  const objects = limit > 0 ? Math.min(limit, stored.objects) : stored.objects;
  const bytes = Math.min((objects * stored.bytes) / stored.objects, MAX_BYTES_AT_ONCE);
  const seats = clamped(Math.ceil(bytes / BYTES_PER_SEAT), atMost(maxSeats, MAX_LIST_SEATS));
  return seats === 1 ? ONE_SEAT : { initialSeats: seats, finalSeats: 0, lingerMs: 0 };
}

function writeWork(info: ResourceRequestInfo, { maxSeats, watchers }: EstimateOptions): WorkEstimate {
  if (info.resource === 'serviceaccounts' && info.subresource === 'token') return ONE_SEAT; // nobody is told of it
  const count = watchers(info);
  if (count < WATCHERS_PER_SEAT) return ONE_SEAT;
  const wanted = Math.ceil(count / WATCHERS_PER_SEAT);
  const finalSeats = clamped(wanted, atMost(maxSeats, MAX_MUTATING_SEATS));
  // The same work in fewer seats takes longer.
  return { initialSeats: 1, finalSeats, lingerMs: (wanted * EVENT_MS) / finalSeats };
}

const atMost = (maxSeats: number, limit: number): number => (maxSeats === 0 ? limit : Math.min(maxSeats, limit));
const clamped = (seats: number, most: number): number => Math.max(1, Math.min(seats, most));
