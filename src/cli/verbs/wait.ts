/** `kedge wait`: returns when a condition, a value or the end of objects has come. */
import type { KubeObject } from '#api/machinery/object.ts';
import { notFound } from '#api/machinery/status.ts';
import { sleep } from '#base/clock.ts';
import { isNotFound } from './fetched-target.ts';
import { follow, TimedOut } from './following.ts';
import { fileFlags } from './manifests.ts';
import { JsonPathTemplate, relaxedPath } from './output/json-path-template.ts';
import { OUTPUT_FLAGS, resultPrinter } from './output/output-flags.ts';
import { pathOf } from './served-resources.ts';
import {
  ALL_FLAG,
  ALL_NAMESPACES_FLAG,
  FIELD_SELECTOR_FLAG,
  SELECTOR_FLAGS,
  type Target,
  targetsOf,
} from './targets.ts';
import type { Verb, VerbCall } from './verb.ts';
import { throwIfAny, VerbError } from './verb-error.ts';

type Condition = { type: 'delete' } | { type: 'create' } | { type: 'holds'; holds(object: KubeObject): boolean };

const WEEK_MS = 168 * 3_600_000;
const LOOK_EVERY_MS = 500;

export const waitVerb: Verb = {
  name: 'wait',
  summary: 'wait until objects are as they should be',
  usage:
    '([-f FILENAME] | resource.group/resource.name | resource.group [(-l label | --all)]) [--for=create|--for=delete|--for condition=available|--for=jsonpath={…}[=value]]',
  flags: [
    ...fileFlags('to wait for'),
    ...OUTPUT_FLAGS,
    ...SELECTOR_FLAGS,
    FIELD_SELECTOR_FLAG,
    ALL_FLAG,
    ALL_NAMESPACES_FLAG,
    { name: 'for', type: 'repeated', summary: 'create, delete, condition=NAME[=value] or jsonpath={…}[=value]' },
    { name: 'timeout', type: 'duration', default: '30s', summary: '0 looks once, a negative one waits a week' },
  ],
  async run(call) {
    const { flags, io } = call;
    const conditions = flags.list('for').map(conditionOf);
    if (conditions.length === 0) throw new VerbError('unrecognized condition: []');
    const given = flags.milliseconds('timeout');
    const timeoutMs = given < 0 ? WEEK_MS : given;
    const print = resultPrinter(flags, io);
    const isForDeletion = conditions.some(({ type }) => type === 'delete');
    if (conditions.some(({ type }) => type === 'create')) await untilCreated(call, timeoutMs);
    const { targets, errors } = await targetsOf(call, { latest: true, ignoreNotFound: isForDeletion });
    if (targets.length === 0) throwIfAny(errors);
    if (targets.length === 0 && !isForDeletion) throw new VerbError('no matching resources found');
    const endMs = io.clock.monotonicMs() + timeoutMs;
    const unmet: unknown[] = [];
    for (const target of targets) {
      try {
        for (const condition of conditions) {
          const left = timeoutMs === 0 ? 0 : Math.max(1, endMs - io.clock.monotonicMs());
          const object =
            condition.type === 'create' ? target.object : await met(call, target, { condition, timeoutMs: left });
          io.out(print(object, 'condition met'));
        }
      } catch (error) {
        unmet.push(error);
      }
    }
    throwIfAny([...unmet, ...errors]);
  },
};

function conditionOf(text: string): Condition {
  const lower = text.toLowerCase();
  if (lower === 'delete' || lower === 'create') return { type: lower };
  const [, kind, rest = ''] = /^(condition|jsonpath)=(.*)$/s.exec(text) ?? [];
  if (kind === 'condition') return { type: 'holds', holds: holdsCondition(rest) };
  if (kind === 'jsonpath') return { type: 'holds', holds: holdsValue(rest) };
  throw new VerbError(`unrecognized condition: ${JSON.stringify(text)}`);
}

interface Conditioned {
  metadata: { generation?: number };
  status?: {
    observedGeneration?: number;
    conditions?: { type: string; status: string; observedGeneration?: number }[];
  };
}

/** A condition that was told of an older generation does not count. */
function holdsCondition(text: string): (object: KubeObject) => boolean {
  const [name = '', value = 'true'] = text.split(/=(.*)/s);
  return (object) => {
    const { metadata, status } = object as unknown as Conditioned;
    const found = status?.conditions?.find(({ type }) => type.toLowerCase() === name.toLowerCase());
    if (!found) return false;
    const observed = found.observedGeneration ?? status?.observedGeneration;
    if (observed !== undefined && observed < (metadata.generation ?? 0)) return false;
    return found.status.toLowerCase() === value.toLowerCase();
  };
}

function holdsValue(text: string): (object: KubeObject) => boolean {
  const parts = splitOnSingleEquals(text);
  if (parts.length > 2)
    throw new VerbError(
      "jsonpath wait format must be --for=jsonpath='{.status.readyReplicas}'=3 or --for=jsonpath='{.status.readyReplicas}'",
    );
  const [path = '', wanted] = parts;
  if (path === '') throw new VerbError('jsonpath expression cannot be empty');
  const template = new JsonPathTemplate(relaxedPath(path));
  const value = wanted?.replace(/^['"]+|['"]+$/g, '');
  if (value === '')
    throw new VerbError(
      "jsonpath wait has to have a value after equal sign, like --for=jsonpath='{.status.readyReplicas}'=3",
    );
  return (object) => {
    const found = template.find(object);
    if (found.length === 0) return false;
    if (found.length > 1) throw new VerbError('given jsonpath expression matches more than one value');
    if (value === undefined) return true;
    if (typeof found[0] === 'object' && found[0] !== null)
      throw new VerbError('jsonpath leads to a nested object or list which is not supported');
    return String(found[0]).trim() === value.trim();
  };
}

/** `==` inside a filter is no end of the path. */
function splitOnSingleEquals(text: string): string[] {
  const parts: string[] = [];
  let part = '';
  for (let at = 0; at < text.length; at++) {
    if (text[at] !== '=') part += text[at];
    else if (text[at + 1] === '=') {
      part += '==';
      at += 1;
    } else {
      parts.push(part);
      part = '';
    }
  }
  return [...parts, part];
}

async function met(
  call: VerbCall,
  target: Target,
  { condition, timeoutMs }: { condition: Condition; timeoutMs: number },
): Promise<unknown> {
  const { resource, name } = target;
  const told = `${resource.plural}/${name}`;
  let last: unknown = target.object;
  if (timeoutMs === 0) return lookOnce(call, target, condition);
  const look = (object: KubeObject | undefined) => {
    if (object === undefined) {
      if (condition.type === 'delete') return 'done' as const;
      throw notFound(resource, name);
    }
    last = object;
    const isOther = condition.type === 'delete' && object.metadata.uid !== (target.object as KubeObject).metadata.uid;
    return isOther || (condition.type === 'holds' && condition.holds(object)) ? ('done' as const) : undefined;
  };
  try {
    await follow(call, target, { timeoutMs, look });
  } catch (error) {
    if (error instanceof TimedOut) throw new VerbError(`timed out waiting for the condition on ${told}`);
    throw error;
  }
  return { ...typed(target), ...(last as object) };
}

/** Items of a list do not say what they are. */
const typed = ({ object }: Target): object => {
  const { apiVersion, kind } = object as { apiVersion: string; kind: string };
  return { apiVersion, kind };
};

async function lookOnce({ cluster }: VerbCall, target: Target, condition: Condition): Promise<unknown> {
  const { resource, name } = target;
  const failed = new VerbError(`condition not met for ${resource.plural}/${name}`);
  try {
    const object = await cluster.get<KubeObject>(pathOf(resource, target));
    if (condition.type === 'holds' && condition.holds(object)) return object;
  } catch (error) {
    if (condition.type === 'delete' && isNotFound(error)) return target.object;
    throw error;
  }
  throw failed;
}

async function untilCreated(call: VerbCall, timeoutMs: number): Promise<void> {
  const { clock, signal } = call.io;
  const endMs = clock.monotonicMs() + timeoutMs;
  for (;;) {
    const { targets, errors } = await targetsOf(call, { latest: true });
    const others = errors.filter((error) => !isNotFound(error));
    throwIfAny(others);
    if (targets.length > 0 && errors.length === 0) return;
    if (clock.monotonicMs() >= endMs) throw new VerbError('timed out waiting for the condition');
    await sleep(clock, LOOK_EVERY_MS, signal);
  }
}
