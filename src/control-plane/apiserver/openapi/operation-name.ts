/** The words that names and tags of operations are made of: `listCoreV1NamespacedPod`, `core_v1`. */

interface GroupVersion {
  group: string;
  version: string;
}

/** `CoreV1`, `RbacAuthorizationV1`, `ComExampleStableV1` for what has no well-known suffix. */
export function titleOf({ group, version }: GroupVersion): string {
  return groupWords(group).map(capital).join('') + capital(version);
}
/** `core_v1`, `rbacAuthorization_v1`. */
export const tagOf = ({ group, version }: GroupVersion): string => {
  const [first = '', ...others] = groupWords(group);
  return `${first}${others.map(capital).join('')}_${version}`;
};
const groupWords = (group: string): string[] =>
  group === '' ? ['core'] : group.replace(/\.k8s\.io$/, '').split(/[.-]/);
export const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);

/** `a Pod`, `an Event`. */
export const article = (word: string): string => `${/^[AEIOU]/.test(word) ? 'an' : 'a'} ${word}`;
