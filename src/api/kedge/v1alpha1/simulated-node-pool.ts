/**
 * SimulatedNodePool: so many nodes that exist on paper, alike, and how the pods behave that are bound to them. Kedge's own kind,
 * served where nodes are simulated. Its shape is a schema, as that of a custom kind.
 */
import type { CustomResourceDefinition, JSONSchemaProps, LabelSelector, Taint } from '#api/generated/schema.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { kindsFromDefinition } from '#api/machinery/kind-from-definition.ts';
import type { KubeObject } from '#api/machinery/object.ts';

export interface SimulatedNodePool extends KubeObject {
  apiVersion: 'kedge.dev/v1alpha1';
  kind: 'SimulatedNodePool';
  spec: SimulatedNodePoolSpec;
  status?: SimulatedNodePoolStatus;
}

export interface SimulatedNodePoolSpec {
  count: number;
  template?: SimulatedNodeTemplate;
  /** The first whose selector matches a pod counts. */
  pods?: readonly SimulatedPodRule[];
}

export interface SimulatedNodeTemplate {
  labels?: Readonly<Record<string, string>>;
  annotations?: Readonly<Record<string, string>>;
  taints?: readonly Taint[];
  /** Quantities, in place of the usual ones or beside them. */
  capacity?: Readonly<Record<string, string>>;
}

/** What a pod does; each can be said by an annotation of the pod as well, which then counts. */
export interface SimulatedPodRule extends SimulatedPodBehaviour {
  /** Absent: every pod. */
  selector?: LabelSelector;
}

export interface SimulatedPodBehaviour {
  startSeconds?: number;
  stopSeconds?: number;
  /** Its containers never start, and wait for this reason. */
  waiting?: { reason: string; message?: string };
  /** Its containers end by themselves after so long. Absent: they run until they are stopped. */
  runSeconds?: number;
  exitCode?: number;
  /** This share of the pods (0 to 1) ends with another exit code. */
  failure?: { share: number; exitCode?: number };
  usage?: { cpu?: string; memory?: string };
  logs?: string;
  /** The first whose words the command begins with counts; without words it answers every command. */
  exec?: readonly SimulatedAnswer[];
}

export interface SimulatedAnswer {
  command?: readonly string[];
  stdout?: string;
  stderr?: string;
  exitCode?: number;
}

export interface SimulatedNodePoolStatus {
  observedGeneration?: number;
  count?: number;
  ready?: number;
  /** Of the nodes, as `kubectl scale` and autoscalers want it. */
  selector?: string;
}

/** The pool of `kedge up --simulated-nodes`. */
export const OWN_POOL = 'simulated';

/** So many nodes have addresses, in all pools together. */
export const MOST_SIMULATED_NODES = 16_384;

const text: JSONSchemaProps = { type: 'string' };
const seconds: JSONSchemaProps = { type: 'number', minimum: 0, maximum: 10 * 365 * 86_400 };
const exitCode: JSONSchemaProps = { type: 'integer', minimum: 0, maximum: 255 };
const texts: JSONSchemaProps = { type: 'object', additionalProperties: text };
const quantity: JSONSchemaProps = {
  anyOf: [{ type: 'integer' }, { type: 'string' }],
  'x-kubernetes-int-or-string': true,
  pattern: '^[0-9]+(\\.[0-9]+)?([eE][-+]?[0-9]+|[KMGTPE]i|[numkMGTPE])?$',
};
const object = (properties: Record<string, JSONSchemaProps>, required: string[] = []): JSONSchemaProps => ({
  type: 'object',
  properties,
  ...(required.length > 0 && { required }),
});
const list = (items: JSONSchemaProps): JSONSchemaProps => ({ type: 'array', items });
const described = (description: string, schema: JSONSchemaProps): JSONSchemaProps => ({ ...schema, description });

const selector = object({
  matchLabels: texts,
  matchExpressions: list(object({ key: text, operator: text, values: list(text) }, ['key', 'operator'])),
});

const podRule = object({
  selector: described('Of which pods this is said. Absent: of every pod.', selector),
  startSeconds: described('How long its containers take to start.', seconds),
  stopSeconds: described('How long they take to stop, within the grace of the pod.', seconds),
  waiting: described(
    'They never start, and wait for this reason, such as ImagePullBackOff.',
    object({ reason: text, message: text }, ['reason']),
  ),
  runSeconds: described('They end by themselves after so long. Absent: they run until they are stopped.', seconds),
  exitCode: described('With which exit code they end.', exitCode),
  failure: described(
    'This share of the pods ends with another exit code (1 unless given).',
    object({ share: { type: 'number', minimum: 0, maximum: 1 }, exitCode }, ['share']),
  ),
  usage: described('What each of its containers uses.', object({ cpu: quantity, memory: quantity })),
  logs: described('What its containers have written.', { ...text, maxLength: 65_536 }),
  exec: described(
    'What commands in its containers answer: the first whose words the command begins with counts.',
    list(object({ command: list(text), stdout: text, stderr: text, exitCode })),
  ),
});

const schema = object(
  {
    spec: object(
      {
        count: described('How many nodes there are.', { type: 'integer', minimum: 0, maximum: MOST_SIMULATED_NODES }),
        template: described(
          'What the nodes have in common.',
          object({
            labels: texts,
            annotations: texts,
            taints: list(
              object(
                { key: text, value: text, effect: { ...text, enum: ['NoSchedule', 'PreferNoSchedule', 'NoExecute'] } },
                ['key', 'effect'],
              ),
            ),
            capacity: { type: 'object', additionalProperties: quantity },
          }),
        ),
        pods: described('How pods behave on these nodes: the first rule that selects a pod counts.', list(podRule)),
      },
      ['count'],
    ),
    status: object({
      observedGeneration: { type: 'integer', format: 'int64' },
      count: { type: 'integer' },
      ready: { type: 'integer' },
      selector: text,
    }),
  },
  ['spec'],
);

const definition = {
  spec: {
    group: 'kedge.dev',
    scope: 'Cluster',
    names: {
      plural: 'simulatednodepools',
      singular: 'simulatednodepool',
      kind: 'SimulatedNodePool',
      listKind: 'SimulatedNodePoolList',
      shortNames: ['snp'],
    },
    conversion: { strategy: 'None' },
    versions: [
      {
        name: 'v1alpha1',
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: described('Nodes that exist on paper, and how pods behave on them.', schema),
        },
        subresources: {
          status: {},
          scale: {
            specReplicasPath: '.spec.count',
            statusReplicasPath: '.status.count',
            labelSelectorPath: '.status.selector',
          },
        },
        additionalPrinterColumns: [
          { name: 'Count', type: 'integer', jsonPath: '.spec.count' },
          { name: 'Ready', type: 'integer', jsonPath: '.status.ready' },
          { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
        ],
      },
    ],
  },
} as unknown as CustomResourceDefinition;

export const SimulatedNodePool = kindsFromDefinition(definition)[0] as unknown as Kind<SimulatedNodePool>;
