/** When a container is started again: by its own policy, by exit codes, and when its resources change. */
import type { Container, ContainerResizePolicy, ContainerRestartRule, PodSpec } from '#api/generated/schema.ts';
import {
  duplicateValue,
  type FieldError,
  invalidValue,
  notSupportedValue,
  requiredValue,
  tooMany,
} from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { isOneOf } from '#api/machinery/field-rules.ts';
import { repeatedIn } from '#api/machinery/repeated.ts';

const POLICIES = ['Always', 'Never', 'OnFailure'];
const MAX_RULES = 20;
const MAX_EXIT_CODES = 255;
const RESIZED = ['cpu', 'memory'];
const RESIZE_POLICIES = ['NotRequired', 'RestartContainer'];

export function validateRestart(container: Container, at: At<Container>): FieldError[] {
  const { restartPolicy: policy, restartPolicyRules: rules = [] } = container;
  return [
    ...(policy === undefined && rules.length > 0
      ? [requiredValue(at.restartPolicy, 'must specify restartPolicy when restart rules are used')]
      : isOneOf(at.restartPolicy, policy, POLICIES)),
    ...(rules.length > MAX_RULES ? [tooMany(at.restartPolicyRules, rules.length, MAX_RULES)] : []),
    ...rules.flatMap((rule, i) => validateRule(rule, at.restartPolicyRules[i]!)),
  ];
}

/** Of init containers upstream says no more when the policy is missing. */
export const validateRestartOfInit = (container: Container, at: At<Container>): FieldError[] =>
  container.restartPolicy === undefined && container.restartPolicyRules?.length
    ? [requiredValue(at.restartPolicy, 'must specify restartPolicy when restart rules are used')]
    : validateRestart(container, at);

function validateRule({ action, exitCodes }: ContainerRestartRule, at: At<ContainerRestartRule>): FieldError[] {
  const errors = isOneOf(at.action, action ?? '', ['Restart', 'RestartAllContainers']);
  if (!exitCodes) return [...errors, requiredValue(at.exitCodes, 'must be specified')];
  const count = exitCodes.values?.length ?? 0;
  return [
    ...errors,
    ...isOneOf(at.exitCodes.operator, exitCodes.operator ?? '', ['In', 'NotIn']),
    ...(count > MAX_EXIT_CODES ? [tooMany(at.exitCodes.values, count, MAX_EXIT_CODES)] : []),
  ];
}

export function validateResize(
  policies: readonly ContainerResizePolicy[],
  at: At<ContainerResizePolicy[]>,
  ofPod: PodSpec['restartPolicy'],
): FieldError[] {
  const repeated = repeatedIn(policies.map(({ resourceName = '' }) => resourceName));
  return policies.flatMap(({ resourceName: name = '', restartPolicy: policy = '' as never }, index) => {
    const oneOf = (value: string, supported: readonly string[]): FieldError[] =>
      value ? (supported.includes(value) ? [] : [notSupportedValue(at, value, supported)]) : [requiredValue(at)];
    return [
      ...(repeated.has(index) ? [duplicateValue(at[index]!, name)] : []),
      ...oneOf(name, RESIZED),
      ...oneOf(policy, RESIZE_POLICIES),
      ...(ofPod === 'Never' && policy !== 'NotRequired'
        ? [invalidValue(at, policy, "must be 'NotRequired' when pod `restartPolicy` is 'Never'")]
        : []),
    ];
  });
}

export const validateResizeOfInit = ({ resizePolicy = [] }: Container, at: At<Container>): FieldError[] =>
  resizePolicy.flatMap(({ restartPolicy }, i) =>
    restartPolicy === 'RestartContainer'
      ? [
          invalidValue(
            at.resizePolicy[i]!.restartPolicy,
            restartPolicy,
            "must not be set to 'RestartContainer' for non-sidecar initContainers",
          ),
        ]
      : [],
  );

/** Whether a container that ended so may run again: by its own rules, its own policy, or the pod's. Source: KEP-5307, KEP-5532. */
export function mayRestart(spec: PodSpec, container: Container | undefined, exitCode: number): boolean {
  const restartsAll = (one: Container) =>
    one.restartPolicyRules?.some(({ action }) => action === 'RestartAllContainers');
  if (spec.containers.some(restartsAll) || spec.initContainers?.some(restartsAll)) return true;
  if (!container) return false;
  if (container.restartPolicy && container.restartPolicyRules?.some((rule) => isMeant(rule, exitCode))) return true;
  const policy = container.restartPolicy ?? spec.restartPolicy;
  return policy === 'OnFailure' ? exitCode !== 0 : policy !== 'Never';
}

function isMeant({ exitCodes }: ContainerRestartRule, exitCode: number): boolean {
  if (!exitCodes) return false;
  const isListed = exitCodes.values?.includes(exitCode) ?? false;
  return exitCodes.operator === 'In' ? isListed : exitCodes.operator === 'NotIn' && !isListed;
}
