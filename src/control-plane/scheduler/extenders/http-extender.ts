/**
 * A program outside that is asked about nodes over HTTP: which do, how good they are, and to bind. What it answers is bounded
 * by who sends; redirects are not followed. Source: KubeSchedulerConfiguration, Extender; k8s.io/kube-scheduler/extender/v1.
 */
import type { Pod } from '#api/core/v1/pod.ts';
import type { ConfiguredExtender } from '../configuration/scheduler-configuration.ts';
import type { Extender } from '../define-extender.ts';
import { PluginFailed } from '../define-plugin.ts';
import type { NodeInfo } from '../node-info.ts';
import { type Refused, unresolvable, unschedulable } from '../verdict.ts';

/** Sends JSON by POST. `problem`: there was no answer, in words. */
export type SendJson = (
  url: string,
  body: unknown,
  options: { timeoutMs: number },
) => Promise<{ code: number; text: string } | { problem: string }>;

const TIMEOUT_MS = 5_000;
/** An extender gives 0…10, plugins 0…100. */
const SCALE = 100 / 10;

interface FilterResult {
  nodes?: { items?: readonly { metadata: { name: string } }[] } | null;
  nodenames?: readonly string[] | null;
  failedNodes?: Readonly<Record<string, string>> | null;
  failedAndUnresolvableNodes?: Readonly<Record<string, string>> | null;
  error?: string;
}
type Priorities = readonly { host: string; score: number }[] | null;

export function httpExtender(configured: ConfiguredExtender, send: SendJson): Extender {
  const { urlPrefix, filterVerb, prioritizeVerb, bindVerb, weight = 1, ignorable = false } = configured;
  const managed = new Set((configured.managedResources ?? []).map(({ name }) => name));

  const ask = async (verb: string, body: unknown): Promise<unknown> => {
    const url = `${urlPrefix.replace(/\/+$/, '')}/${verb}`;
    const answer = await send(url, body, { timeoutMs: configured.httpTimeout || TIMEOUT_MS });
    if ('problem' in answer) throw new PluginFailed(`Post ${JSON.stringify(url)}: ${answer.problem}`);
    if (answer.code !== 200)
      throw new PluginFailed(`failed ${verb} with extender at URL ${urlPrefix}, code ${answer.code}`);
    try {
      return JSON.parse(answer.text);
    } catch (error) {
      throw new PluginFailed(`extender at URL ${urlPrefix}: ${(error as SyntaxError).message}`);
    }
  };
  const askedOf = (pod: Pod, nodes: readonly NodeInfo[]) =>
    configured.nodeCacheCapable
      ? { pod, nodes: null, nodenames: nodes.map(nameOf) }
      : { pod, nodes: { metadata: {}, items: nodes.map(({ node }) => node) }, nodenames: null };

  return {
    name: urlPrefix,
    isInterested: ({ spec }) =>
      managed.size === 0 ||
      [...spec.containers, ...(spec.initContainers ?? [])].some(({ resources }) =>
        [...Object.keys(resources?.requests ?? {}), ...Object.keys(resources?.limits ?? {})].some((name) =>
          managed.has(name),
        ),
      ),
    ...(filterVerb && {
      async filter(pod: Pod, nodes: readonly NodeInfo[]) {
        try {
          return refusedBy((await ask(filterVerb, askedOf(pod, nodes))) as FilterResult, nodes);
        } catch (error) {
          if (error instanceof PluginFailed && ignorable) return NOBODY;
          throw error;
        }
      },
    }),
    ...(prioritizeVerb && {
      async prioritize(pod: Pod, nodes: readonly NodeInfo[]) {
        try {
          const given = (await ask(prioritizeVerb, askedOf(pod, nodes))) as Priorities;
          const scores = new Map((given ?? []).map(({ host, score }) => [host, score]));
          return nodes.map((node) => (scores.get(nameOf(node)) ?? 0) * weight * SCALE);
        } catch (error) {
          if (error instanceof PluginFailed) return nodes.map(() => 0); // upstream places the pod without its opinion
          throw error;
        }
      },
    }),
    ...(bindVerb && {
      async bind({ metadata }: Pod, node: string) {
        const { name: podName, namespace: podNamespace, uid: podUID } = metadata;
        const result = (await ask(bindVerb, { podName, podNamespace, podUID, node })) as { error?: string };
        if (result.error) throw new PluginFailed(result.error);
      },
    }),
  };
}

const NOBODY: ReadonlyMap<NodeInfo, Refused> = new Map();
const nameOf = ({ node }: NodeInfo): string => node.metadata.name;

/** Nodes that it does not give back are refused, with its words where it has some; without any as unresolvable. */
function refusedBy(result: FilterResult, nodes: readonly NodeInfo[]): Map<NodeInfo, Refused> {
  if (result.error) throw new PluginFailed(result.error);
  const names = result.nodenames ?? (result.nodes?.items ?? []).map(({ metadata }) => metadata.name);
  const kept = new Set(names);
  const { failedNodes, failedAndUnresolvableNodes } = result;
  const refused = new Map<NodeInfo, Refused>();
  for (const node of nodes) {
    const name = nameOf(node);
    const unresolvableText = failedAndUnresolvableNodes?.[name];
    const text = failedNodes?.[name];
    if (unresolvableText !== undefined) refused.set(node, unresolvable(unresolvableText));
    else if (text !== undefined) refused.set(node, unschedulable(text));
    else if (!kept.has(name)) refused.set(node, unresolvable());
  }
  return refused;
}
