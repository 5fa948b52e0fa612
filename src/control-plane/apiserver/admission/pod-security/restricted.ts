/** The restricted level: current practice of hardening. Source: documentation, "Pod Security Standards". */
import type { Volume } from '#api/generated/schema.ts';
import { procMount, seccompProfiles } from './baseline.ts';
import {
  type Check,
  containersText,
  containersWhere,
  everyContainer,
  ifAny,
  plural,
  quoted,
  type Rule,
  settersText,
  sortedUnique,
  unlessInUserNamespace,
  unlessWindows,
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

const allowPrivilegeEscalation: Check = (spec) => {
  const names = containersWhere(spec, (context) => context.allowPrivilegeEscalation !== false);
  return ifAny(names, () => ({
    reason: 'allowPrivilegeEscalation != false',
    detail: `${containersText(names)} must set securityContext.allowPrivilegeEscalation=false`,
  }));
};

const capabilities: Check = (spec) => {
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
  const ofPod = spec.securityContext?.runAsNonRoot;
  const refusing = containersWhere(spec, (context) => context.runAsNonRoot === false);
  const reason = 'runAsNonRoot != true';
  if (ofPod === false || refusing.length > 0)
    return {
      reason,
      detail: `${settersText(ofPod === false, refusing)} must not set securityContext.runAsNonRoot=false`,
    };
  if (ofPod) return undefined;
  const silent = containersWhere(spec, (context) => context.runAsNonRoot === undefined);
  return ifAny(silent, () => ({
    reason,
    detail: `pod or ${containersText(silent)} must set securityContext.runAsNonRoot=true`,
  }));
};

const runAsUser: Check = (spec) => {
  const ofPod = spec.securityContext?.runAsUser === 0;
  const names = containersWhere(spec, (context) => context.runAsUser === 0);
  return ofPod || names.length > 0
    ? { reason: 'runAsUser=0', detail: `${settersText(ofPod, names)} must not set runAsUser=0` }
    : undefined;
};

const seccompProfile: Check = (spec, metadata) => {
  const bad = seccompProfiles(spec, metadata);
  if (bad || spec.securityContext?.seccompProfile) return bad;
  const silent = containersWhere(spec, (context) => context.seccompProfile === undefined);
  return ifAny(silent, () => ({
    reason: 'seccompProfile',
    detail: `pod or ${containersText(silent)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"`,
  }));
};

/** Those beside the ones of the baseline, in the order of their names upstream. */
export const restricted: readonly Rule[] = [
  {
    name: 'allowPrivilegeEscalation',
    since: [
      [8, allowPrivilegeEscalation],
      [25, unlessWindows(allowPrivilegeEscalation)],
    ],
  },
  {
    name: 'capabilities_restricted',
    since: [
      [22, capabilities],
      [25, unlessWindows(capabilities)],
    ],
    replaces: 'capabilities_baseline',
  },
  { name: 'procMount_restricted', since: [[35, procMount]], replaces: 'procMount' },
  { name: 'restrictedVolumes', since: [[0, volumes]], replaces: 'hostPathVolumes' },
  {
    name: 'runAsNonRoot',
    since: [
      [0, runAsNonRoot],
      [35, unlessInUserNamespace(runAsNonRoot)],
    ],
  },
  {
    name: 'runAsUser',
    since: [
      [23, runAsUser],
      [35, unlessInUserNamespace(runAsUser)],
    ],
  },
  {
    name: 'seccompProfile_restricted',
    since: [
      [19, seccompProfile],
      [25, unlessWindows(seccompProfile)],
    ],
    replaces: 'seccompProfile_baseline',
  },
];
