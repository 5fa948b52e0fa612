/** What our own client lets people edit, beside stock kubectl 1.36: what the editor is shown, what is said and what comes of it. */
import { sceneWith } from './own-client-scene.ts';
import { type Stories, tellStories } from './own-client-stories.ts';

const FILES: Record<string, string> = {
  'one.yaml': '{apiVersion: v1, kind: ConfigMap, metadata: {name: one}, data: {a: b}}',
  'two.yaml': `
{apiVersion: v1, kind: ConfigMap, metadata: {name: one}, data: {a: b}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: two}, data: {a: b}}
`,
  'web.yaml': `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, finalizers: [x/y, x/z]}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: a, image: "i:1"}, {name: b, image: "i:1"}]
      volumes: [{name: v, emptyDir: {}}]
`,
};

const SCENE = sceneWith(FILES);

const CONTAINERS = '- image: i:1\n        imagePullPolicy: IfNotPresent\n        name: a';

const STORIES: Stories = {
  'one object': [
    { args: 'create -f one.yaml' },
    { args: 'edit cm one' },
    { args: 'edit cm one', edits: [['a: b', 'a: c']] },
    { args: 'edit cm one', edits: [['a: c', '# a remark\n  a: c']] },
    { args: 'edit cm/one -o json', edits: [['"a": "c"', '"a": "d"']] },
    { args: 'edit cm one -o name', edits: [['a: d', 'a: e']] },
    { args: 'edit cm one --show-managed-fields', edits: [['a: d', 'a: e']] },
    { args: 'edit cm one --windows-line-endings', edits: [['a: e', 'a: f']] },
    { args: 'edit cm one --save-config --output-patch', edits: [['a: f', 'a: g']] },
    { args: 'edit cm one -l a=b' },
  ],
  'several objects are one List': [
    { args: 'create -f two.yaml' },
    { args: 'edit cm one two', edits: [['a: b', 'a: c']] },
    { args: 'edit -f two.yaml', edits: [['a: b', 'a: c']] },
    { args: 'edit cm/two cm/one' },
    {
      args: 'edit -f two.yaml',
      edits: [
        ['a: c', 'a/b: c'],
        ['a/b', 'd'],
      ],
    },
    { args: 'edit cm one nope' },
  ],
  'what is no good is edited again': [
    { args: 'create -f one.yaml' },
    {
      args: 'edit cm one',
      edits: [
        ['a: b', 'a: [b'],
        ['[b', 'c'],
      ],
    },
    {
      args: 'edit cm one --validate=false',
      edits: [
        ['a: c', 'a: [c'],
        ['[c', 'b'],
      ],
    },
    { args: 'edit cm one', edits: [['*', '']] },
    { args: 'edit cm one --validate=false', edits: [['*', '']] },
    { args: 'edit cm one', edits: [['a: b', 'a/b: b']] },
    { args: 'edit cm one', edits: [['data:', 'dada:']] },
    { args: 'edit cm one', edits: [['kind: ConfigMap\n', '']] },
    { args: 'edit cm one', edits: [['kind: ConfigMap', 'kind: Secret']] },
    { args: 'edit cm one', edits: [['name: one', 'name: other']] },
    { args: 'edit cm one', edits: [['namespace: ', 'namespace: x']] },
    { args: 'edit cm one', edits: [['resourceVersion: "', 'resourceVersion: "1']] },
  ],
  'patches are strategic': [
    { args: 'create -f web.yaml' },
    { args: 'edit deploy web --output-patch', edits: [['replicas: 0', 'replicas: x']] },
    {
      args: 'edit deploy web --output-patch',
      edits: [[CONTAINERS, `- image: j\n        name: new\n      ${CONTAINERS.replace('i:1', 'i:2')}`]],
    },
    { args: 'edit deploy web --output-patch', edits: [['- emptyDir: {}\n', '- hostPath: {path: /tmp}\n']] },
    { args: 'edit deploy web --output-patch', edits: [['  - x/y\n  - x/z\n', '  - x/z\n  - x/w\n']] },
    { args: 'edit deploy web --output-patch', edits: [['  finalizers:\n  - x/z\n  - x/w\n', '']] },
  ],
  'before it is created': [
    { args: 'create --edit' },
    { args: 'create --edit -f nope.yaml' },
    { args: 'create --edit -f one.yaml' },
    { args: 'create --edit --raw /api -f one.yaml' },
    { args: 'create --edit -f one.yaml', edits: [['a: b', 'a/b: c']] },
    { args: 'create --edit -f one.yaml --save-config', edits: [['a: b', 'a: c']] },
    {
      args: 'create --edit -f two.yaml -o json',
      edits: [
        ['"b"', '"c"'],
        ['"b"', '"d"'],
      ],
    },
  ],
};

tellStories('what is edited', SCENE, STORIES);
