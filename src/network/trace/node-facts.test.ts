import { expect, test } from 'vitest';
import { type Ask, listeningPorts, networkFacts } from './node-facts.ts';

const HEAD = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
const line = (local: string, state: string) =>
  `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 1 1`;

test('ports count that somebody else can reach, and that are listened on', () => {
  const text = [HEAD, line('00000000:1F90', '0A'), line('0100007F:0050', '0A'), line('0301F40A:01BB', '01'), ''].join(
    '\n',
  );
  expect(listeningPorts(text)).toEqual([8080]);
  const six = [
    HEAD,
    line('00000000000000000000000000000000:1F91', '0A'),
    line('00000000000000000000000001000000:0050', '0A'),
    line('0000000000000000FFFF00000100007F:0051', '0A'),
  ].join('\n');
  expect(listeningPorts(six)).toEqual([8081]);
});

/** A kernel that answers to these command lines. */
const kernel =
  (answers: Record<string, string>, asked: string[] = []): Ask =>
  async (command, args) => {
    const text = [command, ...args].join(' ');
    asked.push(text);
    return answers[text];
  };

const GET = 'nft get element ip kube-proxy';
const FLOWS = 'conntrack -L -p tcp --orig-port-dst 80 --orig-dst 10.96.0.20';

test.each([
  ['endpoints', { [`${GET} svc { 10.96.0.20 . tcp . 80 }`]: 'goto lb2', [FLOWS]: 'tcp …\ntcp …\n' }, 2],
  ['refused', { [`${GET} no-endpoints { 10.96.0.20 . tcp . 80 }`]: 'goto refuse' }, 0],
  ['dropped', { [`${GET} no-endpoints { 10.96.0.20 . tcp . 80 }`]: ': drop }' }, 0],
  ['absent', { 'nft --terse list map ip kube-proxy svc': 'map svc {' }, 0],
])('a front whose rules say %s', async (state, answers, connections) => {
  const facts = await networkFacts({ front: '10.96.0.20 . tcp . 80' }, kernel(answers as Record<string, string>));
  expect(facts.front).toEqual({ state, connections });
});

test('where the proxy has no such table, nothing is said of the front', async () => {
  expect(await networkFacts({ front: '10.96.0.20 . tcp . 80' }, kernel({}))).toEqual({});
});

test('a port of the node is looked for in its own map', async () => {
  const answers = { [`${GET} np { tcp . 30080 }`]: 'goto np1' };
  expect((await networkFacts({ front: 'tcp . 30080' }, kernel(answers))).front?.state).toBe('endpoints');
});

test('what is no front, and what is no address, reaches no command', async () => {
  const asked: string[] = [];
  const facts = await networkFacts(
    { front: '10.96.0.20 . tcp . 80 } ; flush ruleset', addresses: ['x; y'] },
    kernel({}, asked),
  );
  expect(facts).toEqual({});
  expect(asked).toEqual([]);
});

test('what policies of a pod dropped is read from the chain that isolates it', async () => {
  const at = 'ip network-policy';
  const answers = {
    [`nft get element ${at} ingress { 10.244.1.3 }`]: 'elements = { 10.244.1.3 : goto ingress-pods-0a1b }',
    [`nft list chain ${at} ingress-pods-0a1b`]: 'jump ingress-77\n counter packets 12 bytes 720 drop',
  };
  expect(await networkFacts({ addresses: ['10.244.1.3'] }, kernel(answers))).toEqual({ dropped: { ingress: 12 } });
});
