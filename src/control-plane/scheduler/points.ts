/** The plugins of a profile by extension point, in order: looked up once and not for every node. */
import type { Plugin, PluginSpec } from './define-plugin.ts';

/** A plugin that has this point. */
export type With<Point extends keyof PluginSpec<unknown>> = Plugin & Required<Pick<PluginSpec<unknown>, Point>>;

export interface Points {
  /** Those that prepare, and then those that need not. */
  all: readonly Plugin[];
  preEnqueue: readonly With<'preEnqueue'>[];
  prepare: readonly With<'prepare'>[];
  sign: readonly With<'sign'>[];
  filter: readonly With<'filter'>[];
  makeRoom: readonly With<'makeRoom'>[];
  score: readonly With<'score'>[];
  reserve: readonly With<'reserve'>[];
  /** In reverse: what was done last is undone first. */
  unreserve: readonly With<'unreserve'>[];
  permit: readonly With<'permit'>[];
  preBind: readonly With<'preBind'>[];
  bind: readonly With<'bind'>[];
  postBind: readonly With<'postBind'>[];
}

const known = new WeakMap<readonly Plugin[], Points>();

export function pointsOf(plugins: readonly Plugin[]): Points {
  let points = known.get(plugins);
  if (!points) {
    points = {
      all: [...having(plugins, 'prepare'), ...plugins.filter(({ prepare }) => !prepare)],
      preEnqueue: having(plugins, 'preEnqueue'),
      prepare: having(plugins, 'prepare'),
      sign: having(plugins, 'sign'),
      filter: having(plugins, 'filter'),
      makeRoom: having(plugins, 'makeRoom'),
      score: having(plugins, 'score'),
      reserve: having(plugins, 'reserve'),
      unreserve: having(plugins, 'unreserve').reverse(),
      permit: having(plugins, 'permit'),
      preBind: having(plugins, 'preBind'),
      bind: having(plugins, 'bind'),
      postBind: having(plugins, 'postBind'),
    };
    known.set(plugins, points);
  }
  return points;
}

function having<Point extends keyof PluginSpec<unknown>>(plugins: readonly Plugin[], point: Point): With<Point>[] {
  const found = plugins.filter((plugin): plugin is With<Point> => plugin[point] !== undefined);
  const rankOf = ({ rank }: Plugin) => rank?.[point] ?? 0;
  return found.sort((a, b) => rankOf(a) - rankOf(b));
}
