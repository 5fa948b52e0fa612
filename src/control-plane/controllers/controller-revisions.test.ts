/** What is kept of former templates. */
import { expect, test } from 'vitest';
import { ControllerRevision } from '#api/apps/v1/controller-revision.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { keyOf } from '#api/machinery/object.ts';
import { startCluster, type TestCluster } from '#testing/kedge-testing.ts';

const TEMPLATE = `
    metadata: {labels: {tier: web, app: shop}}
    spec: {containers: [{name: main, image: web, ports: [{containerPort: 80}], args: [serve, again]}]}`;
/** As upstream has it byte for byte: kubectl and others tell by the bytes whether a template is that of a revision. */
const DATA =
  '{"spec":{"template":{"$patch":"replace","metadata":{"labels":{"app":"shop","tier":"web"}},"spec":{"containers":[{"args":["serve","again"],"image":"web","imagePullPolicy":"Always","name":"main","ports":[{"containerPort":80,"protocol":"TCP"}],"resources":{},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File"}],"dnsPolicy":"ClusterFirst","restartPolicy":"Always","schedulerName":"default-scheduler","securityContext":{},"terminationGracePeriodSeconds":30}}}}';

const KINDS: [string, string, string][] = [
  ['DaemonSet', 'daemonset-controller', ''],
  ['StatefulSet', 'statefulset-controller', '\n  serviceName: web'],
];

async function started([kind, controller, more]: (typeof KINDS)[number]): Promise<TestCluster> {
  const cluster = await startCluster({ controllers: [controller, 'node-lifecycle-controller'] });
  await cluster.apply(`
apiVersion: apps/v1
kind: ${kind}
metadata: {name: web}
spec:${more}
  selector: {matchLabels: {app: shop}}
  template: ${TEMPLATE}
`);
  await cluster.settles();
  return cluster;
}

const written = (cluster: TestCluster) => cluster.list(ControllerRevision).map(({ data }) => JSON.stringify(data));

test.each(KINDS)('fields of a revision of a %s are in the order of their names', async (...of) => {
  await using cluster = await started(of);
  expect(written(cluster)).toEqual([DATA]);
});

test.each(KINDS)('a revision of a %s that was written in another order stays, and so do its pods', async (...of) => {
  await using cluster = await started(of);
  await cluster.passes('1m');
  const pods = cluster.list(Pod);
  expect(pods.map(({ status }) => status?.phase)).toEqual(['Running']);
  const { metadata, data, revision } = cluster.list(ControllerRevision)[0]!;
  const [, controller] = of;
  await cluster.stop(controller);
  await cluster.delete(ControllerRevision, keyOf({ metadata }));
  const { resourceVersion: _, uid: _uid, ...again } = metadata;
  await cluster.create(ControllerRevision, { metadata: again, data: reversed(data) as object, revision });
  const before = written(cluster);
  cluster.start(controller);
  await cluster.passes('1m');
  expect(before).not.toEqual([DATA]);
  expect(written(cluster)).toEqual(before);
  expect(cluster.list(Pod)).toEqual(pods);
});

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.entries(value).map(([name, field]) => [name, reversed(field)]);
  return Object.fromEntries(fields.reverse());
}
