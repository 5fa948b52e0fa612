/** The restricted level: current practice of hardening. Source: documentation, "Pod Security Standards". */
import type { PodSpec, Volume } from '#api/generated/schema.ts';
import { baselineAlways } from './baseline.ts';
import {
  type Check,
  containersText,
  containersWhere,
  everyContainer,
  ifAny,
  plural,
  quoted,
  settersText,
  sortedUnique,
} from './violation.ts';

const VOLUME_TYPES: readonly string[] = [
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'image',
  'persistentVolumeClaim',
  'projected',
  'secret',
];

const isWindows = ({ os }: PodSpec): boolean => os?.name === 'windows';

const allowPrivilegeEscalation: Check = (spec) => {
  if (isWindows(spec)) return undefined;
  const names = containersWhere(spec, (context) => context.allowPrivilegeEscalation !== false);
  return ifAny(names, () => ({
    reason: 'allowPrivilegeEscalation != false',
    detail: `${containersText(names)} must set securityContext.allowPrivilegeEscalation=false`,
  }));
};

const capabilities: Check = (spec) => {
  if (isWindows(spec)) return undefined;
  const addsOf = (names: readonly string[] = []) => names.filter((one) => one !== 'NET_BIND_SERVICE');
  const keeping = containersWhere(spec, (context) => !context.capabilities?.drop?.includes('ALL'));
  const adding = containersWhere(spec, (context) => addsOf(context.capabilities?.add).length > 0);
  const added = everyContainer(spec).flatMap(({ securityContext }) => addsOf(securityContext?.capabilities?.add));
  const details = [
    ...(keeping.length > 0 ? [`${containersText(keeping)} must set securityContext.capabilities.drop=["ALL"]`] : []),
    ...(adding.length > 0
      ? [
          `${containersText(adding)} must not include ${quoted(sortedUnique(added))} in securityContext.capabilities.add`,
        ]
      : []),
  ];
  return ifAny(details, () => ({ reason: 'unrestricted capabilities', detail: details.join('; ') }));
};

const volumes: Check = (spec) => {
  const bad = (spec.volumes ?? []).filter((volume) => !VOLUME_TYPES.includes(typeOf(volume)));
  const types = sortedUnique(bad.map(typeOf));
  const [what, uses] = [plural('volume', 'volumes', bad.length), plural('uses', 'use', bad.length)];
  const kinds = plural('restricted volume type', 'restricted volume types', types.length);
  return ifAny(types, () => ({
    reason: 'restricted volume types',
    detail: `${what} ${quoted(bad.map(({ name }) => name))} ${uses} ${kinds} ${quoted(types)}`,
  }));
};

/** The source of a volume is the one field beside its name. A volume without one is an emptyDir. */
const typeOf = ({ name: _name, ...source }: Volume): string =>
  Object.entries(source).find(([, value]) => value !== undefined)?.[0] ?? 'emptyDir';

const runAsNonRoot: Check = (spec) => {
  if (spec.hostUsers === false) return undefined; // root in there is nobody out here
  const ofPod = spec.securityContext?.runAsNonRoot;
  const refusing = containersWhere(spec, (context) => context.runAsNonRoot === false);
  const reason = 'runAsNonRoot != true';
  const isSetByPod = ofPod === false && containersWhere(spec, (context) => context.runAsNonRoot !== true).length > 0;
  if (isSetByPod || refusing.length > 0)
    return { reason, detail: `${settersText(isSetByPod, refusing)} must not set securityContext.runAsNonRoot=false` };
  if (ofPod) return undefined;
  const silent = containersWhere(spec, (context) => context.runAsNonRoot === undefined);
  return ifAny(silent, () => ({
    reason,
    detail: `pod or ${containersText(silent)} must set securityContext.runAsNonRoot=true`,
  }));
};

const runAsUser: Check = (spec) => {
  if (spec.hostUsers === false) return undefined;
  const ofPod = spec.securityContext?.runAsUser === 0;
  const names = containersWhere(spec, (context) => context.runAsUser === 0);
  return ofPod || names.length > 0
    ? { reason: 'runAsUser=0', detail: `${settersText(ofPod, names)} must not set runAsUser=0` }
    : undefined;
};

const seccompProfile: Check = (spec) => {
  if (isWindows(spec)) return undefined;
  const isGood = (type: string | undefined) => type === 'RuntimeDefault' || type === 'Localhost';
  const ofPod = spec.securityContext?.seccompProfile?.type;
  const bad = containersWhere(
    spec,
    (context) => context.seccompProfile !== undefined && !isGood(context.seccompProfile.type),
  );
  const silent = containersWhere(spec, (context) => context.seccompProfile === undefined);
  const isBadPod = ofPod !== undefined && !isGood(ofPod) && silent.length > 0;
  if (isBadPod || bad.length > 0)
    return {
      reason: 'seccompProfile',
      detail: `${settersText(isBadPod, bad)} must not set securityContext.seccompProfile.type to "Unconfined"`,
    };
  if (isGood(ofPod)) return undefined;
  return ifAny(silent, () => ({
    reason: 'seccompProfile',
    detail: `pod or ${containersText(silent)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"`,
  }));
};

export const restricted: readonly Check[] = [
  ...baselineAlways,
  allowPrivilegeEscalation,
  capabilities,
  volumes,
  runAsNonRoot,
  runAsUser,
  seccompProfile,
];
