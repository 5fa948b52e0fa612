import { describe, expect, test } from 'vitest';
import { configOf, dockerfileBed, filesOf } from '../../../../test/node/dockerfile-bed.ts';

const { build, commands, notes, put, textIn } = dockerfileBed();

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
