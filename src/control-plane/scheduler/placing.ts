/** From a decision to a bound pod: reserve, permit, pre-bind, bind, post-bind; undone when one of them does not agree. */
import type { Pod } from '#api/core/v1/pod.ts';
import { StatusError } from '#api/machinery/status.ts';
import type { States } from './cycle.ts';
import type { BindingServices, Plugin } from './define-plugin.ts';
import { PluginFailed } from './define-plugin.ts';
import type { Verdict } from './verdict.ts';

/** A plugin did not agree after all. */
export class NotPlaced extends Error {
  readonly code = 'NotPlaced';
  readonly refusedBy: readonly Plugin[];

  constructor(plugin: Plugin, { reasons }: Verdict & { fits: false }) {
    super(reasons.join(', '));
    this.refusedBy = [plugin];
  }
}

export interface Placing {
  plugins: readonly Plugin[];
  /** What the plugins prepared; those that are missing have no say. */
  states: States;
  services: BindingServices;
  signal: AbortSignal;
}

/** Throws NotPlaced, and what the server said. */
export async function place(pod: Pod, nodeName: string, { plugins, states, services, signal }: Placing): Promise<void> {
  const agree = (plugin: Plugin, verdict: Verdict | undefined) => {
    if (verdict && !verdict.fits) throw new NotPlaced(plugin, verdict);
  };
  try {
    for (const plugin of plugins) agree(plugin, plugin.reserve?.(pod, nodeName, states.get(plugin)));
    for (const plugin of plugins) agree(plugin, await plugin.permit?.(pod, nodeName, states.get(plugin), signal));
    for (const plugin of plugins)
      if (plugin.preBind)
        agree(plugin, await preBind(plugin, () => plugin.preBind?.(pod, nodeName, services, states.get(plugin))));
    await bind(pod, nodeName, { plugins, services });
  } catch (error) {
    for (const plugin of [...plugins].reverse()) plugin.unreserve?.(pod, nodeName, states.get(plugin));
    throw error;
  }
  for (const plugin of plugins) plugin.postBind?.(pod, nodeName, states.get(plugin));
}

/** What fails here fails the try, whatever the server said of other objects than the pod. */
async function preBind(plugin: Plugin, run: () => Promise<Verdict> | undefined): Promise<Verdict | undefined> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof PluginFailed || error instanceof StatusError)) throw error;
    throw new PluginFailed(`running PreBind plugin "${plugin.name}": ${error.message}`, { cause: error });
  }
}

async function bind(
  pod: Pod,
  nodeName: string,
  { plugins, services }: Pick<Placing, 'plugins' | 'services'>,
): Promise<void> {
  for (const plugin of plugins) if ((await plugin.bind?.(pod, nodeName, services)) === 'bound') return;
  throw new Error('no plugin of the profile binds pods');
}
