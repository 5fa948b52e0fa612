/** `kedge set image`: which images the containers run. */
import type { Verb, VerbCall } from '../verb.ts';
import { throwIfAny, VerbError } from '../verb-error.ts';
import { dryRunOf } from '../writing.ts';
import { changeAll, objectsToChange, refuseUnprintable, SELECTED_SET_FLAGS } from './changing.ts';
import { containersIn, podSpecOf } from './pod-spec.ts';

export const setImageVerb: Verb = {
  name: 'image',
  summary: 'set which images the containers run',
  usage: '(-f FILENAME | TYPE NAME) CONTAINER_NAME_1=CONTAINER_IMAGE_1 ... CONTAINER_NAME_N=CONTAINER_IMAGE_N',
  flags: SELECTED_SET_FLAGS,
  async run(call) {
    refuseUnprintable(call);
    const { resources, images } = imagesIn(call.args);
    const objects = await objectsToChange(call, resources);
    refuseContradictions(call, resources, images);
    await changeAll(call, objects, {
      done: 'image updated',
      refused: 'failed to patch image update to pod template: ',
      edit(object, complain) {
        const spec = podSpecOf(object);
        for (const [name, image] of images) {
          const containers = containersIn(spec, '*').filter((each) => name === '*' || each.name === name);
          for (const container of containers) container.image = image;
          if (containers.length === 0) complain(`error: unable to find container named ${JSON.stringify(name)}`);
        }
      },
    });
  },
};

/** Pairs stand behind what is meant. */
function imagesIn(args: readonly string[]): { resources: string[]; images: Map<string, string> } {
  const isPair = (arg: string) => arg.indexOf('=') > 0 || (arg.endsWith('-') && arg !== '-');
  const first = args.findIndex(isPair);
  const [resources, pairs] = first < 0 ? [[...args], []] : [args.slice(0, first), args.slice(first)];
  const stray = pairs.find((arg) => !isPair(arg));
  if (stray !== undefined) throw new VerbError(`all resources must be specified before image changes: ${stray}`);
  const invalid = pairs.filter((pair) => !pair.includes('='));
  if (invalid.length > 0) throw new VerbError(`invalid image format: ${invalid.join(', ')}`);
  const images = pairs.map((pair): [string, string] => [
    pair.slice(0, pair.indexOf('=')),
    pair.slice(pair.indexOf('=') + 1),
  ]);
  return { resources, images: new Map(images) };
}

function refuseContradictions(
  { flags }: VerbCall,
  resources: readonly string[],
  images: ReadonlyMap<string, string>,
): void {
  const errors: string[] = [];
  if (flags.bool('all') && flags.string('selector')) errors.push('cannot set --all and --selector at the same time');
  if (resources.length === 0 && flags.list('filename').length === 0)
    errors.push('one or more resources must be specified as <resource> <name> or <resource>/<name>');
  if (images.size === 0) errors.push('at least one image update is required');
  else if (images.size > 1 && images.has('*'))
    errors.push(
      'all containers are already specified by *, but saw more than one container_name=container_image pairs',
    );
  if (flags.bool('local') && dryRunOf(flags) === 'server')
    errors.push('cannot specify --local and --dry-run=server - did you mean --dry-run=client?');
  throwIfAny(errors.map((text) => new VerbError(text)));
}
