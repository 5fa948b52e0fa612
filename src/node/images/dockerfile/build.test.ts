import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { configOf, dockerfileBed, pathsOf } from '../../../../test/node/dockerfile-bed.ts';

const bed = dockerfileBed();
const { build, commands, notes, put, textIn } = bed;

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
    symlinkSync('/etc/hostname', join(bed.folder, 'src/link'));
    await expect(build(dockerfile)).rejects.toThrow(expect.objectContaining({ message }));
  });
});
