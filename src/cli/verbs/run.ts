/** `kedge run`: one pod with one container, from the command line. */

import type { Json } from '#api/machinery/json-value.ts';
import { applyMergePatch } from '#api/machinery/merge-patch.ts';
import { createdObject, OBJECT_FLAGS } from './create/created.ts';
import type { ManifestObject } from './manifests.ts';
import { structPrinter } from './output/struct-order.ts';
import { attachedRun, ATTACHED_RUN_FLAGS, deleteCreated, refuseUnattachable } from './run-attached.ts';
import type { Verb, VerbCall } from './verb.ts';
import { throwIfAny, unexpected, VerbError } from './verb-error.ts';
import { dryRunNote, dryRunOf, fieldManagerFlag } from './writing.ts';

const POLICIES = ['Always', 'OnFailure', 'Never'];

export const runVerb: Verb = {
  name: 'run',
  summary: 'run an image in a pod',
  usage: 'NAME --image=IMAGE [-- COMMAND [args...]]',
  flags: [
    ...OBJECT_FLAGS.filter(({ name }) => name !== 'field-manager'),
    fieldManagerFlag('kubectl-run'),
    { name: 'image', type: 'string', summary: 'the image' },
    { name: 'image-pull-policy', type: 'string', summary: 'Always, IfNotPresent or Never' },
    { name: 'port', type: 'string', summary: 'the port that the container opens' },
    { name: 'env', type: 'repeated', summary: 'a variable of the environment: NAME=value' },
    { name: 'labels', short: 'l', type: 'string', summary: 'labels of the pod: a=b,c=d' },
    { name: 'annotations', type: 'repeated', summary: 'an annotation of the pod: a=b' },
    { name: 'restart', type: 'string', default: 'Always', summary: 'Always, OnFailure or Never' },
    { name: 'command', type: 'bool', summary: 'what is behind -- is the command, not its arguments' },
    { name: 'privileged', type: 'bool', summary: 'run the container privileged' },
    { name: 'stdin', short: 'i', type: 'bool', summary: 'keep standard input of the container open' },
    { name: 'tty', short: 't', type: 'bool', summary: 'give the container a terminal' },
    { name: 'expose', type: 'bool', summary: 'make a Service for the port of the pod as well' },
    ...ATTACHED_RUN_FLAGS,
    { name: 'overrides', type: 'string', summary: 'JSON that is merged into the pod' },
  ],
  async run(call) {
    const { args, flags, path } = call;
    const [name] = args;
    if (!flags.has('image')) throw new VerbError('required flag(s) "image" not set');
    if (!name) throw unexpected('NAME is required for run', path);
    if (!flags.string('image')) throw new VerbError('--image is required');
    if (!POLICIES.includes(flags.string('restart')))
      throw unexpected(`invalid restart policy: ${flags.string('restart')}`, path);
    if (flags.bool('tty') && !flags.bool('stdin'))
      throw unexpected('-i/--stdin is required for containers with -t/--tty=true', path);
    if (flags.bool('expose') && !flags.string('port'))
      throw unexpected('--port must be set when exposing a service', path);
    const isAttached = refuseUnattachable(call);
    refuseUnreadable(call);
    return create(call, name, isAttached);
  },
};

/** @returns the exit code of the pod, where it was waited for. */
async function create(call: VerbCall, name: string, isAttached: boolean): Promise<number> {
  const { flags, io } = call;
  const print = structPrinter(flags, io);
  const operation = `created${dryRunNote(dryRunOf(flags))}`;
  const pod = await createdObject(call, podOf(call, name));
  const created = [pod];
  const errors: unknown[] = [];
  if (flags.bool('expose')) {
    try {
      const service = await createdObject(call, serviceOf(call, name));
      created.push(service);
      io.out(print(service, operation) + (flags.string('output') === 'yaml' ? '---\n' : ''));
    } catch (error) {
      errors.push(error);
    }
  }
  if (isAttached) {
    try {
      return await attachedRun(call, pod);
    } finally {
      if (flags.bool('rm')) await deleteCreated(call, created as ManifestObject[]);
    }
  }
  io.out(print(pod, operation));
  throwIfAny(errors);
  return 0;
}

function serviceOf({ flags }: VerbCall, name: string): ManifestObject {
  const port = Number(flags.string('port'));
  const labels = flags.string('labels') ? pairs(flags.string('labels').split(',')) : undefined;
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, ...(labels && { labels }) },
    spec: { ports: [{ protocol: 'TCP', port, targetPort: port }], selector: labels ?? { run: name } },
    status: { loadBalancer: {} },
  } as ManifestObject;
}

const PULL_POLICIES = ['', 'Always', 'IfNotPresent', 'Never'];

function refuseUnreadable({ flags, path }: VerbCall): void {
  const pull = flags.string('image-pull-policy');
  if (!PULL_POLICIES.includes(pull)) throw unexpected(`invalid image pull policy: ${pull}`, path);
  const port = flags.string('port');
  if (!/^\d*$/.test(port)) throw new VerbError(`strconv.Atoi: parsing ${JSON.stringify(port)}: invalid syntax`);
}

function podOf({ args, flags }: VerbCall, name: string): ManifestObject {
  const rest = args.slice(1);
  const port = Number(flags.string('port'));
  const env = flags.list('env').map((text) => variable(text));
  const container = {
    name,
    image: flags.string('image'),
    ...(flags.string('image-pull-policy') && { imagePullPolicy: flags.string('image-pull-policy') }),
    ...(rest.length > 0 && { [flags.bool('command') ? 'command' : 'args']: rest }),
    ...(port > 0 && { ports: [{ containerPort: port }] }),
    ...(env.length > 0 && { env }),
    resources: {},
    ...(flags.bool('privileged') && { securityContext: { privileged: true } }),
    ...(flags.bool('stdin') && { stdin: true, ...(!flags.bool('leave-stdin-open') && { stdinOnce: true }) }),
    ...(flags.bool('tty') && { tty: true }),
  };
  const annotations = pairs(flags.list('annotations'));
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      labels: flags.string('labels') ? pairs(flags.string('labels').split(',')) : { run: name },
      ...(Object.keys(annotations).length > 0 && { annotations }),
    },
    spec: { containers: [container], dnsPolicy: 'ClusterFirst', restartPolicy: flags.string('restart') },
    status: {},
  };
  return overridden(pod as ManifestObject, flags.string('overrides'));
}

function overridden(pod: ManifestObject, text: string): ManifestObject {
  if (!text) return pod;
  try {
    return applyMergePatch(pod as unknown as Json, JSON.parse(text) as Json) as unknown as ManifestObject;
  } catch (error) {
    if (error instanceof SyntaxError) throw new VerbError('Invalid JSON Patch');
    throw error;
  }
}

function variable(text: string): { name: string; value: string } {
  const at = text.indexOf('=');
  if (at <= 0) throw new VerbError(`invalid env: ${text}`);
  return { name: text.slice(0, at), value: text.slice(at + 1) };
}

const pairs = (list: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    list.map((text) => {
      const at = text.indexOf('=');
      if (at <= 0) throw new VerbError(`unexpected label spec: ${text}`);
      return [text.slice(0, at), text.slice(at + 1)] as const;
    }),
  );
