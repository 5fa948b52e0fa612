/**
 * A program outside that is asked about nodes over HTTP: which do, how good they are, and to bind. What it answers is bounded
 * by who sends; redirects are not followed. Source: KubeSchedulerConfiguration, Extender; k8s.io/kube-scheduler/extender/v1.
 */
import type { Pod } from '#api/core/v1/pod.ts';
import type { ConfiguredExtender } from '../configuration/scheduler-configuration.ts';
import type { Extender, PricedRoom } from '../define-extender.ts';
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
const NO_NAMES: Readonly<Record<string, string>> = Object.freeze(Object.create(null));

export function httpExtender(configured: ConfiguredExtender, send: SendJson): Extender {
  const { urlPrefix, filterVerb, prioritizeVerb, preemptVerb, bindVerb, weight = 1, ignorable = false } = configured;
  const isCaching = configured.nodeCacheCapable === true;
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
    isCaching
      ? { Pod: pod, Nodes: null, NodeNames: nodes.map(nameOf) }
      : { Pod: pod, Nodes: { metadata: {}, items: nodes.map(({ node }) => node) }, NodeNames: null };

  return {
    name: urlPrefix,
    isIgnorable: ignorable,
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
          return refusedBy(await ask(filterVerb, askedOf(pod, nodes)), nodes);
        } catch (error) {
          if (error instanceof PluginFailed && ignorable) return NOBODY;
          throw error;
        }
      },
    }),
    ...(prioritizeVerb && {
      async prioritize(pod: Pod, nodes: readonly NodeInfo[]) {
        try {
          const given = listIn(await ask(prioritizeVerb, askedOf(pod, nodes)));
          const scores = new Map(given.map((each) => [member(each, 'Host'), wholeNumber(member(each, 'Score'))]));
          return nodes.map((node) => (scores.get(nameOf(node)) ?? 0) * weight * SCALE);
        } catch (error) {
          if (error instanceof PluginFailed) return nodes.map(() => 0); // upstream places the pod without its opinion
          throw error;
        }
      },
    }),
    ...(preemptVerb && {
      async preempt(pod: Pod, rooms: readonly PricedRoom[], nodeNamed: (name: string) => NodeInfo | undefined) {
        const victims = Object.fromEntries(
          rooms.map((room) => [room.nodeName, victimsOf(room, { whole: !isCaching })]),
        );
        const body = isCaching
          ? { Pod: pod, NodeNameToVictims: null, NodeNameToMetaVictims: victims }
          : { Pod: pod, NodeNameToVictims: victims, NodeNameToMetaVictims: null };
        const answer = member(await ask(preemptVerb, body), 'NodeNameToMetaVictims') ?? {};
        return Object.entries(answer).map(([name, given]) => roomOf(given, { name, urlPrefix, node: nodeNamed(name) }));
      },
    }),
    ...(bindVerb && {
      async bind({ metadata }: Pod, node: string) {
        const { name: PodName, namespace: PodNamespace, uid: PodUID } = metadata;
        const error = member(await ask(bindVerb, { PodName, PodNamespace, PodUID, Node: node }), 'Error');
        if (error) throw new PluginFailed(String(error));
      },
    }),
  };
}

const NOBODY: ReadonlyMap<NodeInfo, Refused> = new Map();
const nameOf = ({ node }: NodeInfo): string => node.metadata.name;

/** Upstream's names begin with capitals; extenders answer with whatever Go reads as the same name. */
function member(answer: unknown, name: string): unknown {
  if (typeof answer !== 'object' || answer === null) return undefined;
  if (Object.hasOwn(answer, name)) return (answer as Record<string, unknown>)[name];
  const alike = Object.entries(answer).find(([key]) => key.toLowerCase() === name.toLowerCase());
  return alike?.[1];
}

const listIn = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const textsIn = (value: unknown): Readonly<Record<string, string>> =>
  typeof value === 'object' && value !== null ? (value as Record<string, string>) : NO_NAMES;
const textAt = (texts: Readonly<Record<string, string>>, name: string): string | undefined =>
  Object.hasOwn(texts, name) ? texts[name] : undefined;

/** As Go reads an int64; 0 where there is none. */
function wholeNumber(value: unknown): number {
  if (value === undefined || value === null) return 0;
  if (!Number.isSafeInteger(value)) throw new PluginFailed(`json: cannot unmarshal ${typeof value} into an int64`);
  return value as number;
}

/** Nodes that it does not give back are refused, with its words where it has some; without any as unresolvable. */
function refusedBy(result: unknown, nodes: readonly NodeInfo[]): Map<NodeInfo, Refused> {
  const error = member(result, 'Error');
  if (error) throw new PluginFailed(String(error));
  const items = listIn(member(member(result, 'Nodes'), 'items'));
  const names = member(result, 'NodeNames') ?? items.map((node) => member(member(node, 'metadata'), 'name'));
  const kept = new Set(listIn(names));
  const failed = textsIn(member(result, 'FailedNodes'));
  const lost = textsIn(member(result, 'FailedAndUnresolvableNodes'));
  const refused = new Map<NodeInfo, Refused>();
  for (const node of nodes) {
    const name = nameOf(node);
    const [lostText, text] = [textAt(lost, name), textAt(failed, name)];
    if (lostText !== undefined) refused.set(node, unresolvable(lostText));
    else if (text !== undefined) refused.set(node, unschedulable(text));
    else if (!kept.has(name)) refused.set(node, unresolvable());
  }
  return refused;
}

const victimsOf = ({ victims, violations }: PricedRoom, { whole }: { whole: boolean }) => ({
  Pods: whole ? victims : victims.map(({ metadata }) => ({ UID: metadata.uid })),
  NumPDBViolations: violations,
});

function roomOf(
  given: unknown,
  { name, urlPrefix, node }: { name: string; urlPrefix: string; node: NodeInfo | undefined },
): PricedRoom {
  if (!node) throw new PluginFailed(`nodeinfo not found for node name ${JSON.stringify(name)}`);
  const victims = listIn(member(given, 'Pods')).map((each) => {
    const uid = member(each, 'UID');
    const pod = node.pods.find(({ metadata }) => metadata.uid === uid);
    if (pod) return pod;
    const what = `claims to preempt pod (UID: &{${uid}}) on node: ${name}`;
    throw new PluginFailed(`extender: ${urlPrefix} ${what}, but the pod is not found on that node`);
  });
  return { nodeName: name, victims, violations: wholeNumber(member(given, 'NumPDBViolations')) };
}
