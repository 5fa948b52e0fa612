/** `kedge create deployment` and `job`. */
import type { FlagSpec } from '../flags.ts';
import type { Verb, VerbCall } from '../verb.ts';
import { VerbError } from '../verb-error.ts';
import { createObject, OBJECT_FLAGS } from './created.ts';

const IMAGE: FlagSpec = { name: 'image', type: 'list', summary: 'the image to run' };

export const createDeploymentVerb: Verb = {
  name: 'deployment',
  aliases: ['deploy'],
  summary: 'create a Deployment of an image',
  usage: 'NAME --image=image -- [COMMAND] [args...]',
  flags: [
    ...OBJECT_FLAGS,
    IMAGE,
    { name: 'replicas', short: 'r', type: 'int', default: '1', summary: 'how many pods' },
    { name: 'port', type: 'int', default: '-1', summary: 'the port of the container' },
  ],
  run(call) {
    const { flags } = call;
    const images = flags.list('image');
    if (images.length === 0) throw new VerbError('required flag(s) "image" not set');
    const { name, command } = nameAndCommand(call);
    if (images.length > 1 && command.length > 0)
      throw new VerbError('cannot specify multiple --image options and command');
    const port = flags.int('port');
    const containers = images.map((image) => ({
      image,
      name: containerName(image),
      ...(command.length > 0 && { command }),
      ...(port >= 0 && { ports: [{ containerPort: port }] }),
      resources: {},
    }));
    const labels = { app: name };
    return createObject(call, {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { labels, name },
      spec: {
        replicas: flags.int('replicas'),
        selector: { matchLabels: labels },
        strategy: {},
        template: { metadata: { labels }, spec: { containers } },
      },
      status: {},
    });
  },
};

export const createJobVerb: Verb = {
  name: 'job',
  summary: 'create a Job of an image',
  usage: 'NAME --image=image -- [COMMAND] [args...]',
  flags: [...OBJECT_FLAGS, IMAGE],
  run(call) {
    const { name, command } = nameAndCommand(call);
    const [image] = call.flags.list('image');
    if (!image) throw new VerbError('either --image or --from must be specified');
    const container = { image, name, ...(command.length > 0 && { command }), resources: {} };
    return createObject(call, {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name },
      spec: { template: { metadata: {}, spec: { containers: [container], restartPolicy: 'Never' } } },
      status: {},
    });
  },
};

function nameAndCommand({ args, argsBeforeDash, path }: VerbCall): { name: string; command: readonly string[] } {
  const before = args.slice(0, argsBeforeDash ?? args.length);
  if (before.length !== 1)
    throw new VerbError(`exactly one NAME is required, got ${before.length}\nSee '${path} -h' for help and examples`);
  return { name: before[0]!, command: args.slice(before.length) };
}

/** The last part of the image's name, as a name of a container. */
function containerName(image: string): string {
  const [name = ''] = (image.split('/').at(-1) ?? '').split(/[:@]/);
  return name.replaceAll('_', '-');
}
