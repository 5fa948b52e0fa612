/** Probes and lifecycle hooks of a container: what is asked of it, and when. */
import type { HTTPGetAction, Lifecycle, LifecycleHandler, PodSpec, Probe, Submitted } from '#api/generated/schema.ts';
import { type FieldError, forbiddenField, invalidValue, requiredValue } from '#api/machinery/field-error.ts';
import type { At, Path } from '#api/machinery/field-path.ts';
import { follows, isNotNegative, isOneOf, mustBeOneOf } from '#api/machinery/field-rules.ts';
import { httpHeaderName, portName, portNumber } from '#api/machinery/names.ts';
import { withFields } from '#api/machinery/with-fields.ts';

export const defaultProbe = (probe: Submitted<Probe>): Probe =>
  withFields(probe, {
    httpGet: probe.httpGet && defaultHttpGet(probe.httpGet),
    grpc: probe.grpc && withFields(probe.grpc, { service: probe.grpc.service ?? '' }),
    timeoutSeconds: probe.timeoutSeconds || 1,
    periodSeconds: probe.periodSeconds || 10,
    successThreshold: probe.successThreshold || 1,
    failureThreshold: probe.failureThreshold || 3,
  }) as Probe;

export const defaultLifecycle = (lifecycle: Submitted<Lifecycle>): Lifecycle =>
  withFields(lifecycle, {
    postStart: lifecycle.postStart && defaultHandler(lifecycle.postStart),
    preStop: lifecycle.preStop && defaultHandler(lifecycle.preStop),
  }) as Lifecycle;

const defaultHandler = (handler: Submitted<LifecycleHandler>): LifecycleHandler =>
  withFields(handler, { httpGet: handler.httpGet && defaultHttpGet(handler.httpGet) }) as LifecycleHandler;

const defaultHttpGet = (action: Submitted<HTTPGetAction>): HTTPGetAction =>
  withFields(action, { path: action.path || '/', scheme: action.scheme || 'HTTP' }) as HTTPGetAction;

export type ProbeName = 'livenessProbe' | 'readinessProbe' | 'startupProbe';

export function validateProbe(probe: Probe, at: At<Probe>, name: ProbeName): FieldError[] {
  const { terminationGracePeriodSeconds: grace } = probe;
  const errors = [
    ...validateHandler(probe, at, ['exec', 'httpGet', 'tcpSocket', 'grpc']),
    ...isNotNegative(at.initialDelaySeconds, probe.initialDelaySeconds),
    ...isNotNegative(at.timeoutSeconds, probe.timeoutSeconds),
    ...isNotNegative(at.periodSeconds, probe.periodSeconds),
    ...isNotNegative(at.successThreshold, probe.successThreshold),
    ...isNotNegative(at.failureThreshold, probe.failureThreshold),
  ];
  if (grace !== undefined && grace <= 0)
    errors.push(invalidValue(at.terminationGracePeriodSeconds, grace, 'must be greater than 0'));
  if (grace !== undefined && name === 'readinessProbe')
    errors.push(invalidValue(at.terminationGracePeriodSeconds, grace, 'must not be set for readinessProbes'));
  if (name !== 'readinessProbe' && probe.successThreshold !== 1)
    errors.push(invalidValue(at.successThreshold, probe.successThreshold, 'must be 1'));
  return errors;
}

export function validateLifecycle(
  lifecycle: Lifecycle,
  at: At<Lifecycle>,
  { terminationGracePeriodSeconds: grace, os }: PodSpec,
): FieldError[] {
  const hooks = ['exec', 'httpGet', 'tcpSocket', 'sleep'] as const;
  const errors: FieldError[] = [];
  for (const name of ['postStart', 'preStop'] as const) {
    const handler = lifecycle[name];
    if (!handler) continue;
    errors.push(...validateHandler(handler, at[name], hooks));
    const seconds = handler.sleep?.seconds;
    if (seconds !== undefined && grace !== undefined && (seconds < 0 || seconds > grace)) {
      const text = `must be non-negative and less than terminationGracePeriodSeconds (${grace})`;
      errors.push(invalidValue(at[name].sleep, seconds, text));
    }
  }
  const { stopSignal } = lifecycle;
  if (stopSignal === undefined) return errors;
  if (!os) return [...errors, forbiddenField(at.stopSignal, 'may not be set for containers with empty `spec.os.name`')];
  const signals = os.name === 'windows' ? WINDOWS_SIGNALS : os.name === 'linux' ? LINUX_SIGNALS : undefined;
  return signals ? [...errors, ...isOneOf(at.stopSignal, stopSignal, signals)] : errors;
}

const realTime = (name: string, count: number, sign: string) =>
  Array.from({ length: count }, (_, i) => `${name}${sign}${i + 1}`);
const WINDOWS_SIGNALS = ['SIGKILL', 'SIGTERM'];
const LINUX_SIGNALS = [
  ...'ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP'
    .split(' ')
    .map((name) => `SIG${name}`),
  ...'TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX'.split(' ').map((name) => `SIG${name}`),
  ...realTime('SIGRTMIN', 15, '+'),
  ...realTime('SIGRTMAX', 14, '-'),
].sort();

type Handler = Omit<Probe & LifecycleHandler, never>;

/** Exactly one way, and that one well formed. The first is taken, as upstream does; others are forbidden. */
function validateHandler(handler: object, at: Path, ways: readonly (keyof Handler & string)[]): FieldError[] {
  const { exec, httpGet, tcpSocket, grpc } = handler as Partial<Handler>;
  const here = at as At<Handler>;
  const given = ways.filter((way) => (handler as Partial<Handler>)[way] !== undefined);
  if (given.length === 0) return [requiredValue(at, 'must specify a handler type')];
  const [first, ...others] = given;
  const errors: FieldError[] = [];
  if (first === 'exec' && !exec?.command?.length) errors.push(requiredValue(here.exec.command));
  if (first === 'httpGet' && httpGet) errors.push(...validateHttpGet(httpGet, here.httpGet));
  if (first === 'tcpSocket' && tcpSocket) errors.push(...validatePort(tcpSocket.port, here.tcpSocket.port));
  if (first === 'grpc' && grpc) errors.push(...validatePort(grpc.port, here.grpc.port));
  return [...errors, ...others.map((way) => forbiddenField(here[way], 'may not specify more than 1 handler type'))];
}

const validateHttpGet = (action: HTTPGetAction, at: At<HTTPGetAction>): FieldError[] => [
  ...(action.path ? [] : [requiredValue(at.path)]),
  ...validatePort(action.port, at.port),
  ...mustBeOneOf(at.scheme, action.scheme, ['HTTP', 'HTTPS']),
  ...(action.httpHeaders ?? []).flatMap(({ name }) => follows(at.httpHeaders, name ?? '', httpHeaderName)),
];

/** A number, or the name of one of the container's ports. */
const validatePort = (port: number | string, at: Path): FieldError[] =>
  typeof port === 'string'
    ? follows(at, port, portName)
    : portNumber(port ?? 0).map((text) => invalidValue(at, port ?? 0, text));
