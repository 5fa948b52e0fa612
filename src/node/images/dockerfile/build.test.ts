import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import tar from 'tar-stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BlobStore } from '../blob-store.ts';
import { assembleImage, type Image } from '../image.ts';
import { ImageFiles } from '../image-files.ts';
import { makeLayer } from '../layer.ts';
import { directory, symlink, textFile } from '../tar-entry.ts';
import { type BuildRequest, type Command, ImageBuild } from './build.ts';
import { CommandEnded } from './instructions.ts';

let folder: string;
let store: BlobStore;
const notes: string[] = [];
const commands: Command[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dockerfile-'));
  store = new BlobStore(join(folder, 'store'), Date);
  notes.length = 0;
  commands.length = 0;
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function put(path: string, text: string | Buffer, mode = 0o644): void {
  const whole = join(folder, 'src', path);
  mkdirSync(dirname(whole), { recursive: true });
  writeFileSync(whole, text);
  chmodSync(whole, mode);
}

async function tarOf(files: Record<string, string>): Promise<Buffer> {
  const pack = tar.pack();
  for (const [name, text] of Object.entries(files)) pack.entry({ name }, text);
  pack.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of pack) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** What a small distribution looks like: links for folders, a place that everybody may write to. */
async function base(): Promise<Image> {
  const layer = await makeLayer(store, [
    symlink('/bin', 'usr/bin'),
    textFile('/usr/bin/sh', 'shell', 0o755),
    directory('/tmp', 0o1777),
    textFile('/etc/passwd', 'root:x:0:0::/:/bin/sh\napp:x:1000:1000::/:/bin/sh\n'),
    textFile('/etc/group', 'root:x:0:\napp:x:1000:\n'),
    textFile('/etc/removed', 'old'),
  ]);
  const config = { env: { LANG: 'C' }, cmd: ['sh'], workingDir: '/home', labels: { of: 'base' }, user: '5' };
  return assembleImage('docker.io/library/base:1', [layer], config);
}

/** Commands here leave a file with what they were told, and remove another. */
async function build(dockerfile: string, more: Partial<BuildRequest> = {}): Promise<Image> {
  put('Dockerfile', dockerfile);
  const request = {
    path: join(folder, 'src/Dockerfile'),
    file: 'Dockerfile',
    folder: join(folder, 'src'),
    tag: 'kedge.local/built:1',
    arguments: new Map<string, string>(),
    secrets: new Map<string, string>(),
    network: 'none' as const,
    useCache: true,
    ...more,
  };
  const made = await ImageBuild.open(request, {
    store,
    note: (line) => notes.push(line),
    baseImage: async (name) => (name === 'base:1' ? base() : undefined),
    async *run(_, command) {
      commands.push(command);
      if (command.argv.includes('false')) throw new CommandEnded(1);
      yield await tarOf({ 'ran/here': command.argv.join(' '), 'etc/.wh.removed': '' });
    },
  });
  return made.image();
}

const configOf = ({ config }: Image) => JSON.parse(config.toString()).config;
const filesOf = ({ layers }: Image) => ImageFiles.of(layers);
async function pathsOf(image: Image): Promise<string[]> {
  return (await filesOf(image))
    .below('/')
    .map(({ path, type }) => (type === 'directory' ? `${path}/` : path))
    .sort();
}
const textIn = async (image: Image, path: string) => (await filesOf(image)).text(path, store);

describe('what an image is told', () => {
  test('every instruction stands in its configuration', async () => {
    const image = await build(`
      # syntax=docker/dockerfile:1
      FROM base:1
      ARG VERSION=2
      ENV A=1 B="two words" C=\${VERSION}-$LANG
      ENV OLD the old form
      LABEL made.by=me
      WORKDIR /srv
      WORKDIR app
      EXPOSE 80 53/udp
      VOLUME /data /more
      STOPSIGNAL SIGQUIT
      USER app:app
      ENTRYPOINT ["/server", "--fast"]
      CMD run $A
      HEALTHCHECK --interval=5s CMD true
    `);
    expect(configOf(image)).toEqual({
      User: 'app:app',
      ExposedPorts: { '80/tcp': {}, '53/udp': {} },
      Env: expect.arrayContaining(['LANG=C', 'A=1', 'B=two words', 'C=2-C', 'OLD=the old form']),
      Entrypoint: ['/server', '--fast'],
      Cmd: ['/bin/sh', '-c', 'run $A'],
      WorkingDir: '/srv/app',
      Labels: { of: 'base', 'made.by': 'me' },
      StopSignal: 'SIGQUIT',
      Volumes: { '/data': {}, '/more': {} },
    });
    expect(notes.at(-1)).toMatch(/^Dockerfile:16: HEALTHCHECK is left out/);
    expect(await pathsOf(image)).toContain('/srv/app/');
  });

  test('an ENTRYPOINT drops the CMD of its base, and keeps its own', async () => {
    expect(configOf(await build('FROM base:1\nENTRYPOINT ["/x"]')).Cmd).toBeUndefined();
    expect(configOf(await build('FROM base:1\nCMD ["y"]\nENTRYPOINT ["/x"]')).Cmd).toEqual(['y']);
  });

  test('an ARG has its given value, or its own, or that of before the first FROM', async () => {
    const dockerfile = 'ARG A=before\nARG BASE=base:1\nFROM $BASE\nARG A\nARG B=own\nARG C=own\nENV ALL=$A-$B-$C-$D';
    const image = await build(dockerfile, { arguments: new Map([['C', 'given']]) });
    expect(configOf(image).Env).toContain('ALL=before-own-given-');
  });
});

describe('what stages hand on', () => {
  test('a stage that begins with another has its arguments, too', async () => {
    const image = await build('FROM base:1 AS one\nARG A=1\nFROM one\nENV B=$A\nFROM one');
    expect(configOf(image).Env.join()).not.toContain('B=');
    expect(configOf(await build('FROM base:1 AS one\nARG A=1\nFROM one\nENV B=$A')).Env).toContain('B=1');
  });

  test('the platform is this machine’s, and may be said', async () => {
    const dockerfile =
      'FROM --platform=$BUILDPLATFORM base:1\nARG TARGETPLATFORM\nARG TARGETARCH\nENV P=$TARGETPLATFORM/$TARGETARCH';
    const arch = process.arch === 'x64' ? 'amd64' : process.arch;
    expect(configOf(await build(dockerfile)).Env).toContain(`P=linux/${arch}/${arch}`);
    await build(`FROM --platform=linux/${arch} base:1`);
  });

  test('ONBUILD is for who builds on it: there it is done, and is gone', async () => {
    put('app.js', 'code');
    const dockerfile = 'FROM base:1 AS base\nONBUILD COPY app.js /srv/\nONBUILD RUN npm install\nFROM base\nCMD ["x"]';
    const base = await build(dockerfile, { target: 'base' });
    expect(configOf(base).OnBuild).toEqual(['COPY app.js /srv/', 'RUN npm install']);
    expect(commands).toEqual([]);
    const image = await build(dockerfile);
    expect([configOf(image).OnBuild, await textIn(image, '/srv/app.js')]).toEqual([undefined, 'code']);
    expect(commands.map(({ argv }) => argv[2])).toEqual(['npm install']);
  });

  test('rules of its own what is not seen stand for those of the folder', async () => {
    put('a', 'A');
    put('b', 'B');
    put('.dockerignore', 'a\n');
    put('Dockerfile.dockerignore', 'b\nDockerfile*\n.dockerignore\n');
    expect(await pathsOf(await build('FROM scratch\nCOPY . /'))).toEqual(['/a']);
  });
});

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
    symlinkSync('index.html', join(folder, 'src/web/link'));
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
    symlinkSync('private/key', join(folder, 'src/key'));
    symlinkSync('private', join(folder, 'src/keys'));
    symlinkSync('open', join(folder, 'src/pages'));
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
    execFileSync('mkfifo', [join(folder, 'src/pipe')]);
    put('web/x', 'X');
    expect(await pathsOf(await build('FROM scratch\nADD pipe web /srv/'))).toEqual(['/srv/', '/srv/x']);
  });

  test('a file takes the place of a folder of the base, named in a layer or not, with all that was in it', async () => {
    const layer = await store.keep(Readable.from([await tarOf({ 'opt/a/b/c': 'deep', 'opt/a2': 'beside' })]));
    const over = await makeLayer(store, [textFile('/opt/a', 'file')]);
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

describe('commands', () => {
  test('RUN gets what the stage has said, and what it changed is a layer', async () => {
    const image = await build(
      'FROM base:1\nARG WHO=me\nENV A=1\nWORKDIR /srv\nSHELL ["/bin/ash", "-ec"]\nRUN echo \\\n  # why\n  hello',
    );
    expect(commands).toEqual([
      {
        argv: ['/bin/ash', '-ec', 'echo   hello'],
        env: expect.objectContaining({ LANG: 'C', WHO: 'me', A: '1', PATH: expect.any(String) }),
        workingDir: '/srv',
        user: '5',
        network: 'none',
        mounts: [],
      },
    ]);
    expect(await textIn(image, '/ran/here')).toBe('/bin/ash -ec echo   hello');
    expect((await filesOf(image)).resolve('/etc/removed')).toBeUndefined();
    expect(configOf(image).Env).not.toContain('WHO=me');
  });

  test('here-documents are scripts, what commands read, and files', async () => {
    const image = await build(
      [
        'FROM base:1',
        'ENV NAME=kitten',
        'RUN <<EOF',
        'echo $NAME',
        '# no comment',
        '',
        'EOF',
        "RUN cat <<'A' <<-B > /x",
        'one',
        'A',
        '\ttwo',
        '\tB',
        'RUN <<EOF',
        '#!/usr/bin/env python3',
        'print(1)',
        'EOF',
        'RUN echo "<<EOF" $((1<<2))',
        'COPY <<one.conf <<"two.conf" /etc/app/',
        'name = $NAME',
        'one.conf',
        'name = $NAME',
        'two.conf',
        'COPY --chmod=600 --chown=app <<EOF /single',
        'EOF',
        'CMD last',
      ].join('\n'),
    );
    expect(commands.map(({ argv }) => argv[2])).toEqual([
      'echo $NAME\n# no comment\n\n',
      "cat <<'A' <<-B > /x\none\nA\n\ttwo\n\tB\n",
      "/usr/bin/env python3 /dev/stdin <<'KEDGE_END_OF_SCRIPT'\n#!/usr/bin/env python3\nprint(1)\nKEDGE_END_OF_SCRIPT\n",
      'echo "<<EOF" $((1<<2))',
    ]);
    expect(await textIn(image, '/etc/app/one.conf')).toBe('name = kitten\n');
    expect(await textIn(image, '/etc/app/two.conf')).toBe('name = $NAME\n');
    expect((await filesOf(image)).resolve('/single')).toMatchObject({ mode: 0o600, uid: 1000 });
    expect(configOf(image).Cmd).toEqual(['/bin/sh', '-c', 'last']);
  });

  test('another escape character lets paths have backslashes; an escaped one at the end joins nothing', async () => {
    await build('# syntax=docker/dockerfile:1\n# escape=`\nFROM base:1\nRUN dir C:\\ `\n  /b\nRUN end');
    await build('FROM base:1\nRUN echo \\\\\nRUN two \\  \n  lines');
    expect(commands.map(({ argv }) => argv[2])).toEqual(['dir C:\\   /b', 'end', 'echo \\\\', 'two   lines']);
  });

  test('a RUN has the folders and secrets that it asks for; a secret that is not there need not be', async () => {
    const dockerfile = [
      'FROM base:1',
      'ARG WHERE=/cache',
      'WORKDIR /srv',
      'RUN --mount=type=cache,target=$WHERE,sharing=locked,uid=7,mode=0700 --mount=type=cache,id=b,dst=rel,ro make',
      'RUN --mount=type=secret,id=token --mount=type=secret,id=other --mount=type=tmpfs,target=/t,size=64m use',
    ].join('\n');
    await build(dockerfile, { secrets: new Map([['token', '/some/file']]) });
    expect(commands.map(({ mounts }) => mounts)).toEqual([
      [
        {
          type: 'cache',
          id: '/cache',
          target: '/cache',
          isReadOnly: false,
          isAlone: true,
          uid: 7,
          gid: 0,
          mode: 0o700,
        },
        { type: 'cache', id: 'b', target: '/srv/rel', isReadOnly: true, isAlone: false, uid: 0, gid: 0, mode: 0o755 },
      ],
      [
        { type: 'secret', id: 'token', target: '/run/secrets/token', uid: 0, gid: 0, mode: 0o400 },
        { type: 'tmpfs', target: '/t', sizeBytes: 64 * 2 ** 20 },
      ],
    ]);
  });

  test('proxies are for commands alone, and an argument that nobody asked for is told', async () => {
    const given = new Map([
      ['HTTP_PROXY', 'http://proxy'],
      ['TYPO', 'x'],
      ['USED', 'y'],
    ]);
    const image = await build('FROM base:1\nARG USED\nRUN x', { arguments: given });
    expect(commands[0]?.env).toMatchObject({ HTTP_PROXY: 'http://proxy', USED: 'y' });
    expect(configOf(image).Env.join()).not.toContain('proxy');
    expect(notes.at(-1)).toBe('One or more build-args [TYPO] were not consumed');
    await build('FROM base:1\nARG USED\nRUN x', { arguments: new Map([['USED', 'y']]) });
    expect(commands).toHaveLength(1); // by another way to the same
  });

  test('a RUN over the same with the same is not run again, but for --no-cache and for other files', async () => {
    put('x', 'X');
    const dockerfile = 'FROM base:1\nCOPY x /x\nRUN ["make"]';
    const first = await build(dockerfile);
    expect((await build(dockerfile)).digest).toBe(first.digest);
    expect(commands).toHaveLength(1);
    await build(dockerfile, { useCache: false });
    expect(commands).toHaveLength(2);
    put('x', 'other');
    await build(dockerfile);
    expect(commands).toHaveLength(3);
  });
});

describe('what is wrong is told with its place', () => {
  test.each([
    ['FROM scratch\nCOPPY a b', 'Dockerfile:2: unknown instruction: COPPY'],
    ['COPY a b', 'Dockerfile:1: no FROM: write `FROM scratch`, or the image to begin with'],
    ['ENV A=1\nFROM scratch', 'Dockerfile:1: ENV stands before the first FROM'],
    ['FROM scratch\n\nCOPY gone /', 'Dockerfile:3: "/gone": not found'],
    ['FROM scratch\nCOPY ../outside /', 'Dockerfile:2: "/../outside": not found'],
    ['FROM scratch\nCOPY link /', `Dockerfile:2: "link" leads out of the build's folder`],
    [
      'FROM scratch\nADD https://example.com/x /',
      "Dockerfile:2: ADD of https://example.com/x is not supported: only files of the build's folder",
    ],
    ['FROM scratch\nCOPY --parents a /', 'Dockerfile:2: COPY --parents is not supported'],
    ['FROM scratch\n\nRUN <<EOF\necho\nEO', 'Dockerfile:3: unterminated heredoc <<EOF'],
    ['FROM scratch\nCOPY --from=base:1 <<EOF /x\nEOF', 'Dockerfile:2: COPY --from cannot take a here-document'],
    ['# escape=x\nFROM scratch', "Dockerfile:1: invalid escape token 'x' does not match ` or \\"],
    [
      'FROM base:1\nRUN --mount=type=bind,target=/x y',
      'Dockerfile:2: RUN --mount=type=bind is not supported: only cache, secret and tmpfs',
    ],
    ['FROM base:1\nRUN --mount=type=cache y', 'Dockerfile:2: RUN --mount=type=cache requires a target'],
    [
      'FROM base:1\nRUN --mount=type=cache,target=/x,from=y z',
      'Dockerfile:2: RUN --mount=type=cache: from is not supported',
    ],
    [
      'FROM base:1\nRUN --mount=type=secret,id=token,required=true z',
      'Dockerfile:2: secret token is missing: give it with --secret id=token,src=FILE',
    ],
    ['FROM base:1\nRUN --mount=type=cache,target=/a:b z', 'Dockerfile:2: "/a:b" cannot be mounted on'],
    [
      'FROM --platform=linux/s390x base:1',
      'Dockerfile:1: FROM --platform=linux/s390x is not supported: images are built for this machine',
    ],
    [`FROM base:1\nENV A=\${B:?say it}`, 'Dockerfile:2: B: say it'],
    [
      'FROM base:1\nRUN \\\n["false"]',
      'Dockerfile:2: RUN ended with exit code 1 (it had no network; `--network node` gives it the one of a node)',
    ],
    ['FROM base:2', 'Dockerfile:1: there is no image base:2: no node has it, and none could pull it'],
    ['FROM scratch\nENV A="x', 'Dockerfile:2: the quote " is not closed'],
    ['FROM scratch\nONBUILD ONBUILD RUN x', "Dockerfile:2: Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"],
    ['FROM scratch\nONBUILD FROM x', "Dockerfile:2: FROM isn't allowed as an ONBUILD trigger"],
    ['FROM scratch\nONBUILD DO x', 'Dockerfile:2: unknown instruction: DO'],
    ['FROM scratch\nEXPOSE many', 'Dockerfile:2: "many" is not PORT or PORT/PROTOCOL'],
  ])('%j', async (dockerfile, message) => {
    put('a', 'A');
    symlinkSync('/etc/hostname', join(folder, 'src/link'));
    await expect(build(dockerfile)).rejects.toThrow(expect.objectContaining({ message }));
  });
});
