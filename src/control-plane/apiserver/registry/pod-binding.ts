/** The scheduler's decision, written once: POST pods/NAME/binding, or a Binding into the namespace. */
import { Pod } from '#api/core/v1/pod.ts';
import type { Binding, PodCondition } from '#api/generated/schema.ts';
import { type FieldError, notSupportedValue, requiredValue } from '#api/machinery/field-error.ts';
import { badRequest, conflict, invalid } from '#api/machinery/status.ts';
import { decodeBody } from '../decode-object.ts';
import { admissionRequest, type Reply, type ResourceCall } from '../resource-call.ts';
import { timestampOf } from '../verbs/object-identity.ts';
import { writeOptionsOf } from '../verbs/write-options.ts';
import type { Behaviour, VerbServices } from './behaviour.ts';
import type { Change } from './stored-objects.ts';

const BINDING = { group: '', version: 'v1', kind: 'Binding' };
const CREATED = Object.freeze({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 });

/** Old clients post the Binding to a collection of its own. */
export const bindingBehaviour: Behaviour = { group: '', plural: 'bindings', verbs: { create: bind } };

export async function bind(call: ResourceCall, services: VerbServices): Promise<Reply> {
  const { info } = call;
  const { dryRun, fieldValidation } = writeOptionsOf(info.query, 'CreateOptions');
  const binding = decodeBody(BINDING, call.body, { fieldValidation, warn: call.warn }) as unknown as Binding;
  const { metadata } = binding;
  if (info.name && metadata.name && metadata.name !== info.name)
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${info.name})`);
  if (metadata.namespace && metadata.namespace !== info.namespace)
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  const at = { namespace: info.namespace, name: info.name || metadata.name };
  const bound: ResourceCall = { ...call, kind: Pod, info: { ...info, name: at.name, subresource: 'binding' } };
  const request = admissionRequest(bound, { verb: 'create', object: binding, dryRun });
  const mutating = services.admission.mutate(request);
  const admitted = ((mutating instanceof Promise ? await mutating : mutating) ?? binding) as Binding;
  const errors = errorsOf(admitted);
  if (errors.length > 0) throw invalid({ group: '', kind: 'Binding' }, at.name, errors);
  const validating = services.admission.validate({ ...request, object: admitted });
  if (validating instanceof Promise) await validating;
  await services.stored.update(Pod, at, {
    dryRun,
    change: (pod) => assigned(pod!, admitted, services.clock.now()),
  });
  return { code: 201, object: CREATED };
}

function errorsOf({ target }: Binding): FieldError[] {
  const errors: FieldError[] = [];
  if (target?.kind && target.kind !== 'Node')
    errors.push(notSupportedValue('target.kind', target.kind, ['Node', '<empty>']));
  if (!target?.name) errors.push(requiredValue('target.name'));
  return errors;
}

/** Throws Conflict when the pod is another one than the scheduler saw, is going, or has a node already. */
function assigned(pod: Pod, { metadata, target }: Binding, nowMs: number): Change<Pod> {
  const refuse = (why: string) => conflict({ group: '', plural: 'pods/binding' }, pod.metadata.name, why);
  const { name } = pod.metadata;
  if (metadata.uid && metadata.uid !== pod.metadata.uid)
    throw refuse(`Precondition failed: UID in precondition: ${metadata.uid}, UID in object meta: ${pod.metadata.uid}`);
  if (metadata.resourceVersion && metadata.resourceVersion !== pod.metadata.resourceVersion)
    throw refuse(
      `Precondition failed: ResourceVersion in precondition: ${metadata.resourceVersion}, ResourceVersion in object meta: ${pod.metadata.resourceVersion}`,
    );
  if (pod.metadata.deletionTimestamp) throw refuse(`pod ${name} is being deleted, cannot be assigned to a host`);
  if (pod.spec.nodeName) throw refuse(`pod ${name} is already assigned to node ${JSON.stringify(pod.spec.nodeName)}`);
  if (pod.spec.schedulingGates?.length) throw refuse(`pod ${name} has non-empty .spec.schedulingGates`);
  const { nominatedNodeName: _, conditions = [], ...status } = pod.status ?? {}; // where it might have gone is of no more interest
  const annotations = { ...pod.metadata.annotations, ...metadata.annotations };
  const labels = { ...pod.metadata.labels, ...metadata.labels };
  return {
    put: {
      ...pod,
      metadata: {
        ...pod.metadata,
        ...(Object.keys(annotations).length > 0 && { annotations }),
        ...(Object.keys(labels).length > 0 && { labels }),
      },
      spec: { ...pod.spec, nodeName: target.name },
      status: { conditions: withScheduled(conditions, pod, nowMs), ...status } as Pod['status'],
    },
  };
}

function withScheduled(conditions: readonly PodCondition[], pod: Pod, nowMs: number): PodCondition[] {
  const before = conditions.find(({ type }) => type === 'PodScheduled');
  const scheduled = {
    type: 'PodScheduled',
    status: 'True',
    lastProbeTime: null,
    lastTransitionTime: before?.status === 'True' ? before.lastTransitionTime : timestampOf(nowMs),
    ...(pod.metadata.generation && { observedGeneration: pod.metadata.generation }),
  } as unknown as PodCondition;
  const others = conditions.filter(({ type }) => type !== 'PodScheduled');
  return before ? conditions.map((one) => (one === before ? scheduled : one)) : [...others, scheduled];
}
