/** What the API server of v1.36 answers to expressions of policies, whose objects have no declared type. Recorded by asking it. */
import { expect, test } from 'vitest';
import { dynType } from './declared-type.ts';
import { environment } from './environment.ts';
import { formatIssues } from './issue.ts';
import { toJson } from './to-json.ts';
import { typeOfValue } from './value.ts';

const object = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: {
    name: 'web',
    namespace: 'default',
    labels: { app: 'web', 'app.kubernetes.io/name': 'web', tier: null },
    annotations: { 'x/y': '1' },
    creationTimestamp: '2026-01-01T00:00:00Z',
    finalizers: [],
  },
  spec: {
    replicas: 3,
    ratio: 0.5,
    paused: false,
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: {
        hostNetwork: true,
        containers: [
          {
            name: 'a',
            image: 'registry.k8s.io/a:v1.2.3',
            resources: { limits: { cpu: '500m', memory: '1Gi' } },
            securityContext: { runAsNonRoot: true, capabilities: { drop: ['ALL'] } },
            ports: [{ containerPort: 80 }, { containerPort: 'http' }],
            env: [{ name: 'A', value: '1' }, { name: 'B' }],
          },
          { name: 'b', image: 'docker.io/b:latest', securityContext: { privileged: false } },
        ],
        volumes: [{ name: 'v', hostPath: { path: '/' } }],
      },
    },
  },
  status: { conditions: [{ type: 'Available', status: 'True' }] },
};

/** Expression, answer, cost. */
const ANSWERS: readonly (readonly [string, string, number])[] = [
  ['object.spec.replicas <= 5', 'bool true', 4],
  ['object.spec.replicas <= 5.0', 'bool true', 4],
  ['object.spec.replicas * 2 + 1', 'int 7', 5],
  ['object.spec.ratio * 2.0', 'double 1', 4],
  ['object.spec.ratio + 1', 'error: no such overload', 4],
  ['double(object.spec.replicas) * object.spec.ratio', 'double 1.5', 8],
  [
    'object.spec.template.spec.containers.all(c, has(c.securityContext) && has(c.securityContext.runAsNonRoot) && c.securityContext.runAsNonRoot)',
    'bool false',
    21,
  ],
  ['object.spec.template.spec.containers.all(c, c.?securityContext.runAsNonRoot.orValue(false))', 'bool false', 17],
  ["object.spec.template.spec.containers.exists(c, c.image.endsWith(':latest'))", 'bool true', 23],
  ["object.spec.template.spec.containers.filter(c, c.image.startsWith('docker.io/')).map(c, c.name)", 'list ["b"]', 43],
  ["object.spec.template.spec.containers.map(c, c.image).all(i, i.contains('/'))", 'bool true', 48],
  ["object.spec.template.spec.containers.all(c, c.image.matches('^(registry.k8s.io|docker.io)/'))", 'bool true', 56],
  ["object.metadata.?labels['app.kubernetes.io/name'].orValue('') != ''", 'bool true', 4],
  ["object.metadata.labels[?'nope'].orValue('d')", 'string "d"', 3],
  ["object.metadata.?annotations[?'x/y'].orValue('d')", 'string "1"', 4],
  ["object.metadata.?nope[?'x/y'].orValue('d')", 'string "d"', 2],
  ['object.metadata.?labels.?tier.hasValue()', 'bool true', 5],
  ['object.metadata.labels.tier == null', 'bool true', 5],
  ['has(object.metadata.labels.tier)', 'bool true', 3],
  ["'app' in object.metadata.labels && object.metadata.labels['app'] == object.metadata.name", 'bool true', 12],
  ["object.metadata.labels.exists(k, k.startsWith('app'))", 'bool true', 13],
  ['object.metadata.labels.all(k, v, v == null || v.size() < 63)', 'bool true', 25],
  ["object.metadata.name.matches('^[a-z]+$') ? 'ok' : 'bad: ' + object.metadata.name", 'string "ok"', 5],
  ['object.metadata.finalizers.size() == 0', 'bool true', 5],
  ["timestamp(object.metadata.creationTimestamp) < timestamp('2027-01-01T00:00:00Z')", 'bool true', 5],
  [
    "timestamp(object.metadata.creationTimestamp) + duration('24h') > timestamp('2026-01-01T12:00:00Z')",
    'bool true',
    6,
  ],
  ["object.metadata.creationTimestamp < '2027'", 'bool true', 4],
  ['object.metadata.creationTimestamp.getFullYear()', 'error: no such overload: getFullYear(string)', 4],
  [
    "quantity(object.spec.template.spec.containers[0].resources.limits.memory).isLessThan(quantity('2Gi'))",
    'bool true',
    12,
  ],
  [
    "object.spec.template.spec.containers.all(c, !has(c.resources) || !has(c.resources.limits) || quantity(c.resources.limits.cpu).compareTo(quantity('1')) <= 0)",
    'bool true',
    27,
  ],
  [
    "object.spec.template.spec.containers.map(c, quantity(c.?resources.limits.memory.orValue('0'))).exists(q, q.isGreaterThan(quantity('512Mi')))",
    'bool true',
    48,
  ],
  [
    'object.spec.template.spec.containers[0].ports.map(p, type(p.containerPort) == int ? string(p.containerPort) : p.containerPort)',
    'list ["80","http"]',
    44,
  ],
  [
    'object.spec.template.spec.containers.exists(c, has(c.ports) && c.ports.exists(p, p.containerPort == 80))',
    'bool true',
    27,
  ],
  ["object.spec.template.spec.containers.exists_one(c, c.name == 'a')", 'bool true', 15],
  [
    'object.spec.template.spec.containers.map(c, c.name).distinct().size() == object.spec.template.spec.containers.size()',
    'bool true',
    61,
  ],
  ["object.spec.template.spec.containers.map(c, c.name).join(',')", 'string "a,b"', 35],
  ['object.spec.template.spec.containers.sortBy(c, c.name)[0].name', 'string "a"', 40],
  ['object.spec.template.spec.containers[0].env.all(e, has(e.value))', 'bool false', 16],
  ['object.spec.template.spec.containers[0].env.filter(e, !has(e.value)).size()', 'int 1', 26],
  [
    "sets.contains(object.spec.template.spec.containers[0].securityContext.capabilities.drop, ['ALL'])",
    'bool true',
    11,
  ],
  ["'ALL' in object.spec.template.spec.containers[0].securityContext.capabilities.drop", 'bool true', 10],
  [
    'object.spec.template.spec.containers.exists(c, c.securityContext.privileged)',
    'error: no such key: privileged',
    20,
  ],
  ['object.spec.template.spec.containers.exists(c, c.securityContext.privileged == false)', 'bool true', 22],
  [
    'object.spec.template.spec.containers.all(c, c.securityContext.privileged == false)',
    'error: no such key: privileged',
    20,
  ],
  ['object.spec.template.spec.?hostNetwork.orValue(false) == false', 'bool false', 6],
  ['object.spec.template.spec.volumes.all(v, !has(v.hostPath))', 'bool false', 11],
  ['object.spec.selector.matchLabels == object.spec.template.metadata.labels', 'bool true', 10],
  [
    'object.spec.selector.matchLabels.all(k, object.spec.template.metadata.labels[k] == object.spec.selector.matchLabels[k])',
    'bool true',
    20,
  ],
  ["object.status.conditions.exists(c, c.type == 'Available' && c.status == 'True')", 'bool true', 14],
  ["object.kind in ['Deployment', 'StatefulSet']", 'bool true', 2],
  ["!(object.metadata.namespace in ['kube-system', 'kube-public'])", 'bool true', 4],
  ['object.spec.paused || object.spec.replicas > 0', 'bool true', 7],
  ['object.spec.nope > 1', 'error: no such key: nope', 4],
  ['object.spec.nope.deeper', 'error: no such key: nope', 3],
  ['object.spec.replicas.deeper', 'error: no such key: deeper', 4],
  ["object.spec.replicas == '3'", 'bool false', 4],
  ['object.spec.replicas == "3" || object.spec.replicas == 3', 'bool true', 8],
  ['object.spec.replicas in [1, 2, 3]', 'bool true', 3],
  ["object.spec.replicas in ['1']", 'bool false', 3],
  ["object.spec.replicas > 'a'", 'error: no such overload', 4],
  ['object.spec.template.spec.containers[5].name', 'error: index out of bounds: 5', 6],
  ["object.spec.template.spec.containers['a']", "error: unsupported index type 'string' in list", 6],
  ['object.spec.template.spec.containers[0.0].name', 'string "a"', 7],
  ['object.spec[object.metadata.name]', 'error: no such key: web', 5],
  ['size(object.spec.template.spec.containers) > 1', 'bool true', 7],
  ['size(object.spec)', 'int 5', 3],
  ['object.spec.size() > 3', 'bool true', 4],
  ['object == object', 'bool true', 3],
  ['object.spec.template != object.spec.selector', 'bool true', 7],
  ["object.spec.template.spec.containers.map(c, c.image.split(':')[1])", 'list ["v1.2.3","latest"]', 47],
  [
    "object.spec.template.spec.containers.map(c, semver(c.image.split(':')[1].replace('v', '')))",
    'error: No Major.Minor.Patch elements found',
    53,
  ],
  ["object.spec.template.spec.containers.all(c, isSemver(c.image.split(':')[1], true))", 'bool false', 31],
  [
    "object.spec.template.spec.containers.map(c, url('https://' + c.image).getHost())",
    'list ["registry.k8s.io","docker.io"]',
    50,
  ],
  ["'%s has %d replicas'.format([object.metadata.name, object.spec.replicas])", 'string "web has 3 replicas"', 18],
  ["'containers: ' + object.spec.template.spec.containers.map(c, c.name).join(', ')", 'string "containers: a, b"', 37],
  [
    'object.spec.template.spec.containers.all(c, format.dns1123Label().validate(c.name) == optional.none())',
    'bool true',
    38,
  ],
  ['optional.of(object.spec.replicas).optMap(r, r + 1).orValue(0)', 'int 4', 13],
  ['object.?spec.?replicas.optMap(r, r * 2).orValue(0)', 'int 6', 11],
  ['dyn(object.spec.replicas) + object.spec.replicas', 'int 6', 8],
  ['string(object.spec.replicas) + string(object.spec.ratio)', 'string "30.5"', 9],
  ['int(object.spec.ratio)', 'int 0', 4],
  ["object.metadata.labels['tier'].size()", 'error: no such overload: size', 5],
  ["object.spec.template.spec.containers.all(c, c.name.find('[ab]') != '')", 'bool true', 18],
  [
    'type(object.spec.replicas) == int && type(object.spec.ratio) == double && type(object.metadata.labels.tier) == null_type && type(object.spec) == map',
    'bool true',
    20,
  ],
];

const env = environment({ variables: { object: dynType } });

test.each(ANSWERS)('%s is %s', (expression, answer, cost) => {
  const { program, issues } = env.compile(expression);
  if (issues) throw new Error(formatIssues(issues));
  const outcome = program.evaluate({ object });
  const given =
    outcome.error === undefined
      ? `${typeOfValue(outcome.value).name} ${JSON.stringify(toJson(outcome.value).json)}`
      : `error: ${outcome.error}`;
  expect([given, outcome.cost]).toEqual([answer, cost]);
});
