/** Whether a pod may have an image that is on its node already. Source: KEP-2535, "Ensure secret pulled images". */
import type { Image } from '#node/runtime/image.ts';
import { repositoryOf } from '../registry-credentials.ts';
import { isSame, type PullRecords, untagged } from './pull-records.ts';
import type { SourcedAuth, SourceSecret } from './pull-source.ts';

export type VerificationPolicy =
  | 'NeverVerify'
  | 'NeverVerifyPreloadedImages'
  | 'NeverVerifyAllowlistedImages'
  | 'AlwaysVerify';

export interface ImageAccessOptions {
  records: PullRecords;
  policy: VerificationPolicy;
  /** Names without tags, or prefixes that end in `/*`. */
  allowed: readonly string[];
}

/** How many secrets are noted for one image while it is only looked at. */
const MOST_NOTED = 100;

export class ImageAccess {
  readonly #options: ImageAccessOptions;

  constructor(options: ImageAccessOptions) {
    this.#options = options;
  }

  /**
   * `name` as the pod has it. The credentials are worked out only where they decide.
   * @returns false: it is to be pulled, which shows whether the pod may
   */
  async isOpen(name: string, image: Image, credentials: () => Promise<readonly SourcedAuth[]>): Promise<boolean> {
    const { records } = this.#options;
    if (!this.#mustVerify(name, image)) return true;
    const repository = untagged(name);
    const known = records.of(image.id)?.credentialMapping[repository];
    if (!known) return false;
    if (known.nodePodsAccessible) return true;
    const { kubernetesSecrets: secrets = [], kubernetesServiceAccounts: accounts = [] } = known;
    if (secrets.length + accounts.length === 0) return false;
    for (const { source } of await credentials()) {
      if (source === 'everybody') continue;
      if ('serviceAccount' in source) {
        if (accounts.some((each) => isSame(each, source.serviceAccount))) return true;
        continue;
      }
      const fits = fitOf(source.secret, secrets);
      if (fits === 'no') continue;
      // The same password in another secret, or another one in the same: good from now on, too.
      if (fits === 'partly' && secrets.length < MOST_NOTED) await records.add(image.id, repository, source);
      return true;
    }
    return false;
  }

  #mustVerify(name: string, image: Image): boolean {
    const { policy } = this.#options;
    if (policy === 'NeverVerify') return false;
    if (policy === 'AlwaysVerify') return true;
    if (policy === 'NeverVerifyAllowlistedImages') return !this.#isAllowed(untagged(name));
    return !this.#isPreloaded(name, image);
  }

  /** A name under which somebody put it here, though the same bytes may have been pulled under another. */
  #isPreloaded(name: string, image: Image): boolean {
    const { records } = this.#options;
    const repository = repositoryOf(name);
    const isOfRepository = (each: string) => repositoryOf(each) === repository;
    if (records.pulling.some(isOfRepository)) return false;
    const record = records.of(image.id);
    if (!record) return true;
    return image.repoTags.some(isOfRepository) && !Object.keys(record.credentialMapping).some(isOfRepository);
  }

  #isAllowed(repository: string): boolean {
    return this.#options.allowed.some((pattern) =>
      pattern.endsWith('/*') ? repository.startsWith(pattern.slice(0, -1)) : repository === pattern,
    );
  }
}

function fitOf(secret: SourceSecret, known: readonly SourceSecret[]): 'no' | 'partly' | 'wholly' {
  const same = known.find((each) => isSame(each, secret));
  const equal = known.find((each) => each.credentialHash === secret.credentialHash);
  if (same && same === equal) return 'wholly';
  return same || equal ? 'partly' : 'no';
}
