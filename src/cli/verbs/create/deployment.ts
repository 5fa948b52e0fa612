/** `kedge create deployment`. */
import type { Verb } from '../verb.ts';
import { VerbError } from '../verb-error.ts';
import { createObject, nameAndCommand, OBJECT_FLAGS, refuseMissing } from './created.ts';

export const createDeploymentVerb: Verb = {
  name: 'deployment',
  aliases: ['deploy'],
  summary: 'create a Deployment of an image',
  usage: 'NAME --image=image -- [COMMAND] [args...]',
  flags: [
    ...OBJECT_FLAGS,
    { name: 'image', type: 'list', summary: 'the images to run' },
    { name: 'replicas', short: 'r', type: 'int', default: '1', summary: 'how many pods' },
    { name: 'port', type: 'int', default: '-1', summary: 'the port of the container' },
  ],
  run(call) {
    const { flags } = call;
    const images = flags.list('image');
    refuseMissing(flags, ['image']);
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

/** The last part of the image's name, as a name of a container. */
function containerName(image: string): string {
  const [name = ''] = (image.split('/').at(-1) ?? '').split(/[:@]/);
  return name.replaceAll('_', '-');
}
