/** Where a password for a registry came from: who has the same source may have what was pulled with it. */
import { createHash } from 'node:crypto';
import type { AuthConfig } from '#node/runtime/image.ts';

export interface SourceAccount {
  uid: string;
  namespace: string;
  name: string;
}

export interface SourceSecret extends SourceAccount {
  /** Another secret with the same password is as good. */
  credentialHash: string;
}

/** `everybody`: it took no password, or one that the node gives to each of its pods. */
export type PullSource = 'everybody' | { secret: SourceSecret } | { serviceAccount: SourceAccount };

export interface SourcedAuth {
  auth: AuthConfig;
  source: PullSource;
}

export const hashOf = (auth: AuthConfig): string => createHash('sha256').update(JSON.stringify(auth)).digest('hex');
