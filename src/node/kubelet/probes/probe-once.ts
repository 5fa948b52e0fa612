/** One try of a probe. Source: API reference, Probe; texts are upstream's. */
import type { Container, Pod, Probe } from '#api/generated/schema.ts';
import type { Clock } from '#base/clock.ts';
import type { ContainerRuntime } from '#node/runtime/runtime.ts';
import { hasRuntimeCode, RuntimeError } from '#node/runtime/runtime-error.ts';
import { grpcCheck } from './grpc-action.ts';
import { ActionFailed, httpGet, httpTarget, portOf } from './http-action.ts';
import { tcpConnect } from './tcp-action.ts';

/** `unknown`: the probe itself could not be carried out; it counts for nothing. */
export interface ProbeOutcome {
  result: 'success' | 'failure' | 'unknown';
  output: string;
  /** A success that its author should look at. */
  isDoubtful?: boolean;
}

export interface ProbeTools {
  runtime: ContainerRuntime;
  clock: Clock;
}

export interface ProbeSubject {
  pod: Pod;
  container: Container;
  containerId: string;
  podIP: string;
}

const MAX_OUTPUT = 10 * 1024;
const AGENT = 'kube-probe/1.36';

export async function probeOnce(probe: Probe, subject: ProbeSubject, tools: ProbeTools): Promise<ProbeOutcome> {
  try {
    return await carryOut(probe, subject, tools);
  } catch (error) {
    if (error instanceof ActionFailed) return { result: 'failure', output: error.message };
    if (error instanceof RuntimeError) return { result: 'unknown', output: error.message };
    throw error;
  }
}

async function carryOut(probe: Probe, subject: ProbeSubject, { runtime, clock }: ProbeTools): Promise<ProbeOutcome> {
  const { container, podIP } = subject;
  const timeoutMs = (probe.timeoutSeconds || 1) * 1000;
  if (probe.exec) return execProbe(probe, subject, runtime);
  if (probe.httpGet) {
    const target = httpTarget(probe.httpGet, container, podIP);
    const { code, body } = await httpGet(target, { clock, timeoutMs, agent: AGENT });
    if (code >= 200 && code < 300) return { result: 'success', output: body };
    // To another host, or without an end: nobody followed it.
    if (code >= 300 && code < 400)
      return { result: 'success', output: `Probe terminated redirects, Response body: ${body}`, isDoubtful: true };
    return { result: 'failure', output: `HTTP probe failed with statuscode: ${code}` };
  }
  if (probe.tcpSocket) {
    const { host, port } = probe.tcpSocket;
    await tcpConnect({ host: host || podIP, port: portOf(port, container) }, { clock, timeoutMs });
    return { result: 'success', output: '' };
  }
  if (probe.grpc) {
    const { port, service = '' } = probe.grpc;
    await grpcCheck({ host: podIP, port, service }, { clock, timeoutMs });
    return { result: 'success', output: '' };
  }
  return { result: 'unknown', output: `missing probe handler for ${subject.pod.metadata.name}:${container.name}` };
}

async function execProbe(
  probe: Probe,
  { containerId }: ProbeSubject,
  runtime: ContainerRuntime,
): Promise<ProbeOutcome> {
  const timeoutSeconds = probe.timeoutSeconds || 1;
  const command = probe.exec?.command ?? [];
  try {
    const { stdout, stderr, exitCode } = await runtime.execSync(containerId, command, timeoutSeconds);
    const output = Buffer.concat([stdout, stderr]).subarray(0, MAX_OUTPUT).toString('utf8');
    return { result: exitCode === 0 ? 'success' : 'failure', output };
  } catch (error) {
    if (!hasRuntimeCode(error, 'DeadlineExceeded')) throw error;
    return {
      result: 'failure',
      output: `command timed out: "${command.join(' ')}" timed out after ${timeoutSeconds}s`,
    };
  }
}
