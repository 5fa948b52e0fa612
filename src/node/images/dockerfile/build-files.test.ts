import { execFileSync } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import tar from 'tar-stream';
import { describe, expect, test } from 'vitest';
import { dockerfileBed, filesOf, pathsOf, tarOf } from '../../../../test/node/dockerfile-bed.ts';
import { ImageFiles } from '../image-files.ts';
import { makeLayer } from '../layer.ts';
import { textFile } from '../tar-entry.ts';

const bed = dockerfileBed();
const { build, commands, put, textIn } = bed;

describe('files', () => {
  test('COPY takes files, folders and patterns as Docker does, without what is ignored', async () => {
    put('a.txt', 'A');
    put('b.txt', 'B', 0o750);
    put('web/index.html', '<p>');
    put('web/deep/x.js', 'x');
    put('web/secret.key', 'no');
    put('web/notes.md', 'no');
    put('web/keep.md', 'yes');
    put('.dockerignore', '**/*.key\n*.md\nweb/*.md\n!web/keep.md\nDockerfile\n');
    symlinkSync('index.html', join(bed.folder, 'src/web/link'));
    const image = await build('FROM scratch\nCOPY a.txt /one\nCOPY *.txt /some/\nCOPY web /www\nCOPY . /all/\n');
    expect(await pathsOf(image)).toEqual(
      [
        '/all/',
        '/all/.dockerignore',
        '/all/a.txt',
        '/all/b.txt',
        '/all/web/',
        '/all/web/deep/',
        '/all/web/deep/x.js',
        '/all/web/index.html',
        '/all/web/keep.md',
        '/all/web/link',
        '/one',
        '/some/',
        '/some/a.txt',
        '/some/b.txt',
        '/www/',
        '/www/deep/',
        '/www/deep/x.js',
        '/www/index.html',
        '/www/keep.md',
        '/www/link',
      ].sort(),
    );
    const files = await filesOf(image);
    expect(files.resolve('/some/b.txt')?.mode).toBe(0o750);
    expect(files.resolve('/www/link')?.path).toBe('/www/index.html');
    expect(await textIn(image, '/one')).toBe('A');
  });

  test('folders of the base stay as they are, and its links lead on', async () => {
    put('tool', 'T', 0o755);
    const image = await build('FROM base:1\nCOPY tool /bin/tool\nCOPY tool /tmp/tool\nWORKDIR /tmp\nCOPY tool here');
    const files = await filesOf(image);
    expect(files.resolve('/bin/tool')?.path).toBe('/usr/bin/tool');
    expect(files.resolve('/bin/sh')?.path).toBe('/usr/bin/sh');
    expect(files.resolve('/tmp')?.mode).toBe(0o1777);
    expect(files.resolve('/tmp/here')?.type).toBe('file');
  });

  test('--chown knows numbers and the names of the image, --chmod is a mode', async () => {
    put('x', 'X');
    const image = await build('FROM base:1\nCOPY --chown=app x /1\nCOPY --chown=7:8 --chmod=600 x /2');
    const files = await filesOf(image);
    expect(files.resolve('/1')).toMatchObject({ uid: 1000, gid: 1000, mode: 0o644 });
    expect(files.resolve('/2')).toMatchObject({ uid: 7, gid: 8, mode: 0o600 });
  });

  test('COPY --from takes from an earlier stage and from an image, and a stage that nobody needs is left out', async () => {
    put('in', 'content');
    const image = await build(`
      FROM base:1 AS unused
      RUN false
      FROM scratch AS make
      COPY in /out/a
      COPY in /out/b
      FROM scratch
      COPY --from=make /out/ /app/
      COPY --from=1 /out/a /single
      COPY --from=base:1 /bin/sh /sh
      COPY --from=make /out/* /pattern/
    `);
    expect(await pathsOf(image)).toEqual([
      '/app/',
      '/app/a',
      '/app/b',
      '/pattern/',
      '/pattern/a',
      '/pattern/b',
      '/sh',
      '/single',
    ]);
    expect(await textIn(image, '/sh')).toBe('shell');
    expect(commands).toEqual([]);
  });

  test('ADD takes archives apart, and no path in one leads out of its target', async () => {
    put('a.tar.gz', gzipSync(await tarOf({ 'x/y': 'inside', '../../evil': 'still inside' })));
    const image = await build('FROM scratch\nADD a.tar.gz /opt/\nCOPY a.tar.gz /kept/');
    expect(await pathsOf(image)).toEqual(['/kept/', '/kept/a.tar.gz', '/opt/', '/opt/evil', '/opt/x/', '/opt/x/y']);
    expect(await textIn(image, '/opt/x/y')).toBe('inside');
  });

  test('what is ignored is not reached through a link either', async () => {
    put('private/key', 'secret');
    put('open/readme', 'hello');
    put('.dockerignore', 'private\n');
    symlinkSync('private/key', join(bed.folder, 'src/key'));
    symlinkSync('private', join(bed.folder, 'src/keys'));
    symlinkSync('open', join(bed.folder, 'src/pages'));
    for (const word of ['key', 'keys', 'keys/key', 'keys/'])
      await expect(build(`FROM scratch\nCOPY ${word} /x/`), word).rejects.toThrow('not found');
    expect(await pathsOf(await build('FROM scratch\nCOPY pages /x/'))).toEqual(['/x/', '/x/readme']);
  });

  test('a pattern that is none is told with its place, also in .dockerignore', async () => {
    put('.dockerignore', '# what is not sent\n\n*.[z-a]\n');
    await expect(build('FROM scratch')).rejects.toThrow(/^\.dockerignore:3: .*range/i);
    put('.dockerignore', 'x'.repeat(501));
    await expect(build('FROM scratch')).rejects.toThrow('.dockerignore:1: a pattern has at most 500 characters');
  });

  test('ADD keeps names of an archive that mean the same file, and waits for no pipe', async () => {
    const pack = tar.pack();
    pack.entry({ name: 'd/one' }, 'both');
    pack.entry({ name: 'two', type: 'link', linkname: 'd/one' });
    pack.entry({ name: 'lost', type: 'link', linkname: 'gone' });
    pack.finalize();
    const chunks: Buffer[] = [];
    for await (const chunk of pack) chunks.push(chunk as Buffer);
    put('a.tar', Buffer.concat(chunks));
    const image = await build('FROM scratch\nADD a.tar /');
    expect(await pathsOf(image)).toEqual(['/d/', '/d/one', '/two']);
    expect(await textIn(image, '/two')).toBe('both');
    execFileSync('mkfifo', [join(bed.folder, 'src/pipe')]);
    put('web/x', 'X');
    expect(await pathsOf(await build('FROM scratch\nADD pipe web /srv/'))).toEqual(['/srv/', '/srv/x']);
  });

  test('a file takes the place of a folder of the base, named in a layer or not, with all that was in it', async () => {
    const layer = await bed.store.keep(Readable.from([await tarOf({ 'opt/a/b/c': 'deep', 'opt/a2': 'beside' })]));
    const over = await makeLayer(bed.store, [textFile('/opt/a', 'file')]);
    const files = await ImageFiles.of([layer, over]);
    expect(files.below('/').map(({ path }) => path)).toEqual(['/opt/a2', '/opt', '/opt/a']);
    expect(files.resolve('/opt/a')?.type).toBe('file');
  });

  test('the same files give the same image', async () => {
    put('x', 'X');
    const one = await build('FROM scratch\nCOPY x /x');
    put('x', 'X');
    expect((await build('FROM scratch\nCOPY x /x')).digest).toBe(one.digest);
  });
});
