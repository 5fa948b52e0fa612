/** What a container wants done right after its start and right before its end. Source: "Container Lifecycle Hooks". */
import type { Container, LifecycleHandler } from '#api/generated/schema.ts';
import { type Clock, sleep } from '#base/clock.ts';
import type { ContainerRuntime } from '#node/runtime/runtime.ts';
import { RuntimeError } from '#node/runtime/runtime-error.ts';
import { ActionFailed, httpGet, httpTarget } from './probes/http-action.ts';

/** The message is upstream's for events. */
export class HookFailed extends Error {}

export interface HookTools {
  runtime: ContainerRuntime;
  clock: Clock;
}

const AGENT = 'kube-lifecycle/1.36';
const HTTP_TIMEOUT_MS = 30_000;

/** @throws HookFailed, or the signal's reason */
export async function runHook(
  hook: LifecycleHandler,
  {
    container,
    containerId,
    podIP,
    signal,
  }: { container: Container; containerId: string; podIP: string; signal: AbortSignal },
  { runtime, clock }: HookTools,
): Promise<void> {
  try {
    if (hook.exec) {
      const { exitCode, stdout, stderr } = await runtime.execSync(containerId, hook.exec.command ?? [], 0);
      if (exitCode === 0) return;
      const said = Buffer.concat([stdout, stderr]).toString('utf8').slice(0, 1024);
      throw new HookFailed(`command '${(hook.exec.command ?? []).join(' ')}' exited with ${exitCode}: ${said}`);
    }
    if (hook.httpGet) {
      const target = httpTarget(hook.httpGet, container, podIP);
      const { code } = await httpGet(target, { clock, timeoutMs: HTTP_TIMEOUT_MS, agent: AGENT });
      if (code >= 400) throw new HookFailed(`unexpected status code ${code}`);
      return;
    }
    if (hook.sleep) await sleep(clock, hook.sleep.seconds * 1000, signal);
  } catch (error) {
    if (error instanceof ActionFailed || error instanceof RuntimeError)
      throw new HookFailed(error.message, { cause: error });
    throw error;
  }
}
