/** `kedge image`: images from files of this machine, into nodes or into the cluster's registry. */
import { Command } from 'commander';
import { withSelection } from './cluster-selection.ts';
import type { CliContext } from './context.ts';
import type { BuildOptions } from './image-build.ts';
import type { PushOptions } from './image-push.ts';

const several = (value: string, before: string[]): string[] => [...before, value];

export function imageCommand(context: CliContext): Command {
  const command = new Command('image')
    .summary('build, push, import, list or prune images')
    .description('Images of a cluster.');
  const build = withSelection(new Command('build'))
    .summary('make an image from a Dockerfile, a folder or installed Debian packages')
    .description(
      'Makes an image from a Dockerfile (of which a subset is read), from a folder, from Debian packages that are installed here (with the libraries they need), from the ' +
        'Node.js that runs this command, or from several of these; and loads it into the nodes, or writes it to a file. ' +
        "With a name that begins with the cluster's registry (localhost:5000) it is pushed there instead.",
    )
    .argument('[folder]', 'its Dockerfile is followed; without one, its content goes into the image')
    .requiredOption('-t, --tag <image>', 'the name of the image, with registry and tag: kedge.local/web:1')
    .option('--debian <package>', 'an installed package; may be given several times', several, [])
    .option('--with-node', 'the Node.js that runs this command, as /usr/local/bin/node')
    .option('--into <path>', 'where the folder goes in the image', '/')
    .option('--entrypoint <word>', 'one word of the entry point; may be given several times', several, [])
    .option('--cmd <word>', 'one word of the command; may be given several times', several, [])
    .option('--env <NAME=value>', 'an environment variable; may be given several times', several, [])
    .option('--workdir <path>', 'the working directory')
    .option('--user <uid[:gid]>', 'who the process is')
    .option('-f, --file <path>', "the Dockerfile, if it is not the folder's")
    .option('--build-arg <NAME=value>', 'a value for an ARG; may be given several times', several, [])
    .option(
      '--secret <id=NAME,src=FILE>',
      'a file for RUN --mount=type=secret; may be given several times',
      several,
      [],
    )
    .option('--target <stage>', 'the stage of the Dockerfile to build')
    .option('--network <network>', "what RUN may reach: none, or node for a node's network", 'none')
    .option('--no-cache', 'run every RUN again')
    .option('--builder <builder>', 'who reads the Dockerfile: kedge, or buildah where it is installed', 'kedge')
    .option('-o, --output <file>', 'write an OCI archive instead of loading it')
    .action(async (folder: string | undefined, options: BuildOptions) => {
      const { buildImage } = await import('./image-build.ts');
      await buildImage(context, folder, options);
    });
  const push = withSelection(new Command('push'))
    .summary("push an archive to the cluster's registry")
    .description(
      "Pushes an OCI archive to the cluster's registry, from which every node pulls it. The ConfigMap " +
        'local-registry-hosting in kube-public says where it is; docker, skopeo and others push there as well.',
    )
    .argument('<archive>', 'a tar file, as `kedge image build --output` or `skopeo copy … oci-archive:` write it')
    .option('--as <image>', 'the name to push it under, if not the one in the archive: localhost:5000/web:1')
    .action(async (archive: string, options: PushOptions) => {
      const { pushArchive } = await import('./image-push.ts');
      await pushArchive(context, archive, options);
    });
  const load = withSelection(new Command('import'))
    .summary('load an archive into every node')
    .description('Loads an OCI archive, or what `docker save` wrote, into every running node.')
    .argument('<archive>', 'a tar file')
    .action(async (archive: string, options: { name: string; dataDir?: string }) => {
      const { importArchive } = await import('./image-build.ts');
      await importArchive(context, archive, options);
    });
  const list = withSelection(new Command('list'))
    .summary('list the images of every node')
    .action(async (options: { name: string; dataDir?: string }) => {
      const { listNodeImages } = await import('./image-build.ts');
      await listNodeImages(context, options);
    });
  const prune = new Command('prune')
    .summary('remove what builds have kept for the next ones')
    .description(
      'Removes layers and base images that builds on this machine have kept, those that were not used for the longest time ' +
        'first. What a build uses now stays. Every build leaves no more than 10Gi behind by itself.',
    )
    .option('--keep-storage <size>', 'how much may stay, as in 5Gi', '0')
    .action(async (options: { keepStorage: string }) => {
      const { pruneImages } = await import('./image-cache.ts');
      await pruneImages(context, options.keepStorage);
    });
  const commands = [build, push, load, list, prune];
  for (const each of commands) command.addCommand(each);
  return command;
}
