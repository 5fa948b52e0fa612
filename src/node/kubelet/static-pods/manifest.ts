/** From a file to a pod of this node. Source: "Create static Pods"; kubelet/config/common.go. */
import { createHash } from 'node:crypto';
import { Pod } from '#api/core/v1/pod.ts';
import { facts } from '#api/generated/facts.ts';
import { parseYaml } from '#api/machinery/codec-yaml.ts';
import { normalise } from '#api/machinery/normalise.ts';
import { timestampOf } from '#api/machinery/timestamp.ts';
import { deepFreeze } from '#base/deep-freeze.ts';
import { CONFIG_HASH, CONFIG_SEEN, CONFIG_SOURCE } from './static-pod.ts';

/** The file says no pod. */
export class BadManifest extends Error {}

export interface ManifestPlace {
  path: string;
  nodeName: string;
  nowMs: number;
}

/** @throws BadManifest */
export function podFromManifest(text: string, { path, nodeName, nowMs }: ManifestPlace): Pod {
  const parsed = parseYaml(text);
  if ('problem' in parsed) throw new BadManifest(parsed.problem);
  const given = parsed.value as { apiVersion?: unknown; kind?: unknown } | null;
  if (given?.apiVersion !== 'v1' || given.kind !== 'Pod')
    throw new BadManifest(`couldn't parse as pod(Object 'Kind' is missing or not a Pod of v1)`);
  if (!Pod.facts) throw new Error('Pod has no facts');
  const shaped = normalise(facts, Pod.facts, given);
  if ('problem' in shaped) throw new BadManifest(shaped.problem);
  const asked = shaped.object as unknown as Pod;
  const uid = asked.metadata.uid || hashOf(JSON.stringify([nodeName, path, asked]));
  const pod = Pod.defaults({
    ...asked,
    metadata: {
      ...asked.metadata,
      name: `${asked.metadata.name}-${nodeName.toLowerCase()}`,
      namespace: asked.metadata.namespace || 'default',
      uid,
      creationTimestamp: timestampOf(nowMs),
      annotations: {
        ...asked.metadata.annotations,
        [CONFIG_HASH]: uid,
        [CONFIG_SEEN]: new Date(nowMs).toISOString(),
        [CONFIG_SOURCE]: 'file',
      },
    },
    spec: {
      ...asked.spec,
      nodeName,
      tolerations: [...(asked.spec.tolerations ?? []), { operator: 'Exists', effect: 'NoExecute' }],
    },
    status: { phase: 'Pending' },
  });
  const [error] = Pod.validate(pod);
  if (error) throw new BadManifest(`invalid pod: ${error.field}: ${error.message}`);
  return deepFreeze(pod);
}

/** As long as what upstream makes: the hash is the uid of the pod, too. */
const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 32);
