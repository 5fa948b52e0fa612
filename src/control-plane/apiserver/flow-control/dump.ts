/** `/debug/api_priority_and_fairness/dump_*`: tables for people, as upstream prints them. */
import type { FlowControl } from './flow-control.ts';
import type { PriorityLevel } from './priority-level.ts';
import type { Queue, Work } from './work.ts';

const ROOT = '/debug/api_priority_and_fairness/';

/** undefined: there is no such table. */
export function dumpOf(flowControl: FlowControl, path: string, query: URLSearchParams): string | undefined {
  if (path === `${ROOT}dump_priority_levels`) return table([LEVEL_COLUMNS, ...flowControl.levels.map(levelRow)]);
  if (path === `${ROOT}dump_queues`) return table([QUEUE_COLUMNS, ...flowControl.levels.flatMap(queueRows)]);
  if (path !== `${ROOT}dump_requests`) return undefined;
  const isLong = (query.get('includeRequestDetails') ?? '') !== '';
  const options = { isLong, toWallMs: flowControl.toWallMs };
  const rows = flowControl.levels.flatMap((level) => requestRows(level, options));
  return table([isLong ? [...REQUEST_COLUMNS, ...DETAIL_COLUMNS] : REQUEST_COLUMNS, ...rows]);
}

const LEVEL_COLUMNS = [
  'PriorityLevelName',
  'ActiveQueues',
  'IsIdle',
  'IsQuiescing',
  'WaitingRequests',
  'ExecutingRequests',
  'DispatchedRequests',
  'RejectedRequests',
  'TimedoutRequests',
  'CancelledRequests',
];

const levelRow = ({ name, queues, isQuiescing }: PriorityLevel): string[] =>
  [
    name,
    queues.queues.filter(({ waiting }) => waiting.length > 0).length,
    queues.isIdle,
    isQuiescing,
    queues.waiting,
    queues.executing,
    queues.dispatched,
    queues.rejected,
    0, // upstream counts those whose time was up as cancelled
    queues.cancelled,
  ].map(String);

const QUEUE_COLUMNS = [
  'PriorityLevelName',
  'Index',
  'PendingRequests',
  'ExecutingRequests',
  'SeatsInUse',
  'NextDispatchR',
  'InitialSeatsSum',
  'MaxSeatsSum',
  'TotalWorkSum',
];

const queueRows = ({ name, queues }: PriorityLevel): string[][] =>
  queues.queues.map(({ waiting, executing, seatsInUse, nextDispatch, waitingSeats, waitingWork }: Readonly<Queue>, i) =>
    [
      name,
      i,
      waiting.length,
      executing.size,
      seatsInUse,
      seatSeconds(nextDispatch),
      waiting.reduce((sum, { initialSeats }) => sum + initialSeats, 0),
      waitingSeats,
      seatSeconds(waitingWork),
    ].map(String),
  );

const seatSeconds = (seatMs: number): string => `${(seatMs / 1000).toFixed(8)}ss`;

const REQUEST_COLUMNS = [
  'PriorityLevelName',
  'FlowSchemaName',
  'QueueIndex',
  'RequestIndexInQueue',
  'FlowDistingsher', // sic
  'ArriveTime',
  'InitialSeats',
  'FinalSeats',
  'AdditionalLatency',
  'StartTime',
];
const DETAIL_COLUMNS = ['UserName', 'Verb', 'APIPath', 'Namespace', 'Name', 'APIVersion', 'Resource', 'SubResource'];

interface RowOptions {
  isLong: boolean;
  /** Of a time of the monotonic clock. */
  toWallMs(ms: number): number;
}

function requestRows({ name, queues }: PriorityLevel, options: RowOptions): string[][] {
  const row = (queue: number, index: number, work: Work) => [
    name,
    work.arrival.statistics.schema,
    String(queue),
    String(index),
    ...workCells(work, options),
  ];
  return [
    ...queues.queues.flatMap(({ waiting, executing }, i) => [
      ...waiting.map((work, index) => row(i, index, work)),
      ...[...executing].map((work) => row(i, -1, work)),
    ]),
    ...[...queues.withoutQueue].map((work) => row(-1, -1, work)),
  ];
}

function workCells(work: Work, { isLong, toWallMs }: RowOptions): string[] {
  const { arrival, initialSeats, finalSeats, lingerMs, arrivedMs, startedMs } = work;
  const { distinguisher, info, user } = arrival;
  const short = [
    distinguisher,
    timeOf(toWallMs(arrivedMs)),
    String(initialSeats),
    String(finalSeats),
    `${lingerMs}ms`,
    startedMs === undefined ? '0001-01-01T00:00:00Z' : timeOf(toWallMs(startedMs)),
  ];
  if (!isLong) return short;
  const about = info.isResource
    ? [
        info.namespace,
        info.name,
        info.group ? `${info.group}/${info.version}` : info.version,
        info.resource,
        info.subresource,
      ]
    : ['', '', '', '', ''];
  return [...short, user.name, info.verb, info.path, ...about];
}

const timeOf = (ms: number): string => new Date(ms).toISOString();

/** Columns as wide as their widest cell, as Go's tabwriter sets them: at least 8, one blank between. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, i) => Math.max(8, ...rows.map((row) => row[i]!.length + 2)));
  const line = (row: readonly string[]) =>
    row.map((cell, i) => (i === row.length - 1 ? cell : `${cell},`.padEnd(widths[i]!))).join('');
  return `${rows.map(line).join('\n')}\n`;
}
