/** `kedge image`: images without a registry, from files of this machine. */
import { Command } from 'commander';
import { withSelection } from './cluster-selection.ts';
import type { CliContext } from './context.ts';
import type { BuildOptions } from './image-build.ts';

const several = (value: string, before: string[]): string[] => [...before, value];

export function imageCommand(context: CliContext): Command {
  const command = new Command('image')
    .summary('build, import or list images')
    .description('Images of a cluster, without a registry.');
  const build = withSelection(new Command('build'))
    .summary('make an image from a folder or from installed Debian packages')
    .description(
      'Makes an image from a folder, from Debian packages that are installed here (with the libraries they need), from the ' +
        'Node.js that runs this command, or from several of these; and loads it into the nodes, or writes it to a file.',
    )
    .argument('[folder]', 'its content goes into the image')
    .requiredOption('-t, --tag <image>', 'the name of the image, with registry and tag: kedge.local/web:1')
    .option('--debian <package>', 'an installed package; may be given several times', several, [])
    .option('--with-node', 'the Node.js that runs this command, as /usr/local/bin/node')
    .option('--into <path>', 'where the folder goes in the image', '/')
    .option('--entrypoint <word>', 'one word of the entry point; may be given several times', several, [])
    .option('--cmd <word>', 'one word of the command; may be given several times', several, [])
    .option('--env <NAME=value>', 'an environment variable; may be given several times', several, [])
    .option('--workdir <path>', 'the working directory')
    .option('--user <uid[:gid]>', 'who the process is')
    .option('-o, --output <file>', 'write an OCI archive instead of loading it')
    .action(async (folder: string | undefined, options: BuildOptions) => {
      const { buildImage } = await import('./image-build.ts');
      await buildImage(context, folder, options);
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
  return command.addCommand(build).addCommand(load).addCommand(list);
}
