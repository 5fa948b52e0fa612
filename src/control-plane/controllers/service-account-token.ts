/**
 * Fills Secrets of type kubernetes.io/service-account-token with a token of their ServiceAccount, and removes those whose
 * account is gone. Tokens are made by who has the key: what makes them is handed in.
 */
import { Secret } from '#api/core/v1/secret.ts';
import { ServiceAccount } from '#api/core/v1/service-account.ts';
import { encodeBase64Text } from '#api/machinery/base64.ts';
import type { ObjectKey } from '#api/machinery/object.ts';
import { hasReason } from '#api/machinery/status.ts';
import { defineController, settled, watching } from './define-controller.ts';

export interface SecretTokens {
  /** A token without an end, which names the Secret that it stands in. */
  issue(account: ServiceAccount, secretName: string): Promise<string>;
  /** PEM, for whoever uses the token. */
  rootCa: string;
}

const TYPE = 'kubernetes.io/service-account-token';
const NAME = 'kubernetes.io/service-account.name';
const UID = 'kubernetes.io/service-account.uid';

const isToken = ({ type, metadata }: Secret): boolean => type === TYPE && Boolean(metadata.annotations?.[NAME]);

interface Named {
  name: string;
  /** Absent: any of that name. */
  uid: string | undefined;
}

export const serviceAccountTokens = ({ issue, rootCa }: SecretTokens) =>
  defineController(() => {
    /** Of each Secret for a token whose it is: what is gone no longer says it. */
    const accounts = new Map<ObjectKey, Named>();
    return {
      name: 'serviceaccount-token-controller',
      serviceAccount: 'tokens-controller',
      reconciles: Secret,
      watches: [
        watching(
          ServiceAccount,
          ({ metadata }, cached) =>
            cached(Secret)
              .inNamespace(metadata.namespace ?? '')
              .filter((secret) => isToken(secret as Secret) && secret.metadata.annotations?.[NAME] === metadata.name)
              .map((secret) => `${secret.metadata.namespace}/${secret.metadata.name}` as ObjectKey),
          () => false,
        ),
      ],
      writes: { update: [Secret, ServiceAccount], delete: [Secret] },

      async reconcile(secret, { key, cached, api }) {
        if (!isToken(secret)) return settled;
        const { name, namespace = '', annotations = {} } = secret.metadata;
        accounts.set(key, { name: annotations[NAME] ?? '', uid: annotations[UID] });
        if (secret.metadata.deletionTimestamp) return settled;
        const isMeant = (one: ServiceAccount | undefined) =>
          one && (!annotations[UID] || annotations[UID] === one.metadata.uid);
        const at = { namespace, name: annotations[NAME] ?? '' };
        const known = cached(ServiceAccount).get(`${namespace}/${at.name}`);
        // Asked again before something is deleted: the account may have been made with the Secret.
        const account = isMeant(known) ? known : await unlessMissing(api.get(ServiceAccount, at));
        if (!account || !isMeant(account)) {
          await api.delete(Secret, secret);
          return settled;
        }
        const data = {
          ...secret.data,
          'ca.crt': encodeBase64Text(rootCa),
          namespace: secret.data?.['namespace'] || encodeBase64Text(namespace),
          token: secret.data?.['token'] || encodeBase64Text(await issue(account, name)),
        };
        const isWhole = Object.entries(data).every(([key, value]) => secret.data?.[key] === value);
        if (isWhole) return settled;
        const metadata = {
          ...secret.metadata,
          annotations: { ...annotations, [NAME]: account.metadata.name, [UID]: account.metadata.uid },
        };
        await unlessMissing(api.update(Secret, { ...secret, metadata, data }));
        return settled;
      },

      /** Its account does not name a Secret that is no more. */
      async gone({ key, cached, api }) {
        const [namespace = '', name = ''] = key.split('/');
        const whose = accounts.get(key);
        const account = whose && cached(ServiceAccount).get(`${namespace}/${whose.name}`);
        const isIts = account && (!whose.uid || whose.uid === account.metadata.uid);
        if (isIts && account.secrets?.some((secret) => secret.name === name)) {
          const secrets = account.secrets.filter((secret) => secret.name !== name);
          await api.update(ServiceAccount, { ...account, secrets });
        }
        accounts.delete(key);
        return settled;
      },
    };
  });

/** What somebody else has changed or deleted comes back by itself. */
async function unlessMissing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (hasReason(error, 'NotFound', 'Conflict')) return undefined;
    throw error;
  }
}
