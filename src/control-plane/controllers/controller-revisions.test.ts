/** What is kept of former templates. */
import { expect, test } from 'vitest';
import { ControllerRevision } from '#api/apps/v1/controller-revision.ts';
import { startCluster } from '#testing/kedge-testing.ts';

const TEMPLATE = `
    metadata: {labels: {tier: web, app: shop}}
    spec: {containers: [{name: main, image: web, ports: [{containerPort: 80}], args: [serve, again]}]}`;
/** As upstream has it byte for byte: kubectl and others tell by the bytes whether a template is that of a revision. */
const DATA =
  '{"spec":{"template":{"$patch":"replace","metadata":{"labels":{"app":"shop","tier":"web"}},"spec":{"containers":[{"args":["serve","again"],"image":"web","imagePullPolicy":"Always","name":"main","ports":[{"containerPort":80,"protocol":"TCP"}],"resources":{},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File"}],"dnsPolicy":"ClusterFirst","restartPolicy":"Always","schedulerName":"default-scheduler","securityContext":{},"terminationGracePeriodSeconds":30}}}}';

test.each([
  ['DaemonSet', 'daemonset-controller', ''],
  ['StatefulSet', 'statefulset-controller', '\n  serviceName: web'],
])('fields of a revision of a %s are in the order of their names', async (kind, controller, more) => {
  await using cluster = await startCluster({ controllers: [controller] });
  await cluster.apply(`
apiVersion: apps/v1
kind: ${kind}
metadata: {name: web}
spec:${more}
  selector: {matchLabels: {app: shop}}
  template: ${TEMPLATE}
`);
  await cluster.settles();
  expect(cluster.list(ControllerRevision).map(({ data }) => JSON.stringify(data))).toEqual([DATA]);
});
