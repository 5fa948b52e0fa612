/** PreBind: what has to be done before a pod is bound. Source: scheduler framework, RunPreBindPlugins and RunPreBindPreFlights. */
import type { Pod } from '#api/core/v1/pod.ts';
import { StatusError } from '#api/machinery/status.ts';
import { Unreachable } from '#client/transport.ts';
import type { BindingServices } from './define-plugin.ts';
import { PluginFailed } from './define-plugin.ts';
import { agree, NotPlaced } from './not-placed.ts';
import type { With } from './points.ts';
import type { States } from './trial.ts';

type PreBindPlugin = With<'preBind'>;

export interface Placement {
  pod: Pod;
  nodeName: string;
  states: States;
}

/**
 * Those that have something to do, in turn; neighbours that allow it work at the same time. One that is never beside others parts
 * its neighbours also where it has nothing to do.
 */
export function stepsBefore(
  plugins: readonly PreBindPlugin[],
  { pod, nodeName, states }: Placement,
): PreBindPlugin[][] {
  const steps: PreBindPlugin[][] = [];
  let together: PreBindPlugin[] | undefined;
  for (const plugin of plugins) {
    const { hasWork = true, allowParallel = false } =
      plugin.preBindPreFlight?.(pod, nodeName, states.get(plugin)) ?? {};
    const step = (allowParallel && together) || [];
    if (hasWork && step.push(plugin) === 1) steps.push(step);
    together = allowParallel ? step : undefined;
  }
  return steps;
}

/** Throws what the first of them threw that failed, a bug of any of them before that; by then all of them have ended. */
export async function preBind(
  step: readonly PreBindPlugin[],
  placement: Placement,
  services: BindingServices,
): Promise<void> {
  const [alone, ...others] = step;
  if (alone && others.length === 0) return preBindBy(alone, placement, services);
  const failing = new AbortController();
  const { client, clock, cached, say, whileOthers } = services;
  const signal = AbortSignal.any([services.signal, failing.signal]);
  const failures: unknown[] = [];
  const work = async (plugin: PreBindPlugin) => {
    try {
      await preBindBy(plugin, placement, { client, clock, cached, say, whileOthers, signal });
    } catch (error) {
      failures.push(error);
      failing.abort(OTHER_FAILED);
    }
  };
  await Promise.all(step.map(work));
  if (failures.length > 0) throw failures.find(isBug) ?? failures[0];
}

const OTHER_FAILED = new Error('some other PreBind operation failed');

const isBug = (error: unknown): boolean =>
  !(error instanceof NotPlaced || error instanceof PluginFailed || error instanceof Unreachable) &&
  error !== OTHER_FAILED;

/** What fails here fails the try, whatever the server said of other objects than the pod. */
async function preBindBy(plugin: PreBindPlugin, placement: Placement, services: BindingServices): Promise<void> {
  const { pod, nodeName, states } = placement;
  try {
    agree(plugin, await plugin.preBind(pod, nodeName, services, states.get(plugin)));
  } catch (error) {
    if (!(error instanceof PluginFailed || error instanceof StatusError)) throw error;
    throw new PluginFailed(`running PreBind plugin "${plugin.name}": ${error.message}`, { cause: error });
  }
}
