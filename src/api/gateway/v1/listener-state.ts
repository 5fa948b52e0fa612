/** Whether a listener can be served, and if not why. Source: Gateway API reference, ListenerConditionReason. */
import type { Secret } from '#api/generated/schema.ts';
import { isOfGroup, KINDS_OF_PROTOCOL } from './attachment.ts';
import type { Gateway, Listener } from './gateway.ts';
import { mayRefer, type ReferenceGrant } from './reference-grant.ts';
import { GROUP } from './schema-parts.ts';

export interface Verdict {
  isTrue: boolean;
  reason: string;
  message: string;
}

export interface ListenerState {
  accepted: Verdict;
  resolvedRefs: Verdict;
  /** True: it is in conflict. */
  conflicted: Verdict;
  /** `namespace/name` of the Secrets that may be shown. */
  certificates: string[];
}

export interface SecretsAround {
  grants: readonly ReferenceGrant[];
  /** By `namespace/name`. */
  secret(key: string): Secret | undefined;
}

const fine = (reason: string, message: string): Verdict => ({ isTrue: true, reason, message });
const not = (reason: string, message: string): Verdict => ({ isTrue: false, reason, message });

export function listenerStateOf(gateway: Gateway, listener: Listener, around: SecretsAround): ListenerState {
  const { problem, certificates } = certificatesOf(gateway, listener, around);
  return {
    accepted:
      listener.protocol in KINDS_OF_PROTOCOL
        ? fine('Accepted', 'The listener is accepted')
        : not('UnsupportedProtocol', `The protocol ${listener.protocol} is not known`),
    resolvedRefs: kindProblem(listener) ?? problem ?? fine('ResolvedRefs', 'All references are resolved'),
    conflicted: conflictOf(gateway, listener),
    certificates,
  };
}

/** Whether anything at all comes in there. */
export const isServed = ({ accepted, conflicted, certificates }: ListenerState, { protocol, tls }: Listener): boolean =>
  accepted.isTrue &&
  !conflicted.isTrue &&
  (protocol === 'HTTP' || (protocol === 'TLS' && tls?.mode === 'Passthrough') || certificates.length > 0);

function kindProblem({ protocol, allowedRoutes }: Listener): Verdict | undefined {
  const known = KINDS_OF_PROTOCOL[protocol] ?? [];
  const unknown = allowedRoutes?.kinds?.find((one) => !isOfGroup(one) || !known.includes(one.kind));
  return unknown && not('InvalidRouteKinds', `Routes of the kind ${unknown.kind} cannot hang on this listener`);
}

function certificatesOf(
  gateway: Gateway,
  { protocol, tls }: Listener,
  { grants, secret }: SecretsAround,
): { problem?: Verdict; certificates: string[] } {
  if (protocol === 'HTTP' || tls?.mode === 'Passthrough') return { certificates: [] };
  const own = gateway.metadata.namespace ?? '';
  let problem: Verdict | undefined;
  const certificates = (tls?.certificateRefs ?? []).flatMap(
    ({ group = '', kind = 'Secret', name, namespace = own }) => {
      const key = `${namespace}/${name}`;
      const bad = (message: string) => {
        problem ??= not('InvalidCertificateRef', message);
        return [];
      };
      if (group !== '' || kind !== 'Secret') return bad(`A certificate cannot be of the kind ${group}/${kind}`);
      if (!mayRefer({ group: GROUP, kind: 'Gateway', namespace: own }, { group, kind, namespace, name }, grants)) {
        problem ??= not(
          'RefNotPermitted',
          `No ReferenceGrant of ${namespace} permits the reference to the Secret ${name}`,
        );
        return [];
      }
      const found = secret(key);
      if (!found) return bad(`The Secret ${key} does not exist`);
      return holdsCertificate(found) ? [key] : bad(`The Secret ${key} holds no certificate and key`);
    },
  );
  return { certificates, ...(problem && { problem }) };
}

/** By its looks: both are there and are PEM (base64 of `-----BEGIN`). */
function holdsCertificate({ data }: Secret): boolean {
  return ['tls.crt', 'tls.key'].every((name) => data?.[name]?.startsWith('LS0tLS1CRUdJTi'));
}

/** Two of one Gateway cannot have the same port and hostname, nor speak differently at one port. */
function conflictOf({ spec }: Gateway, listener: Listener): Verdict {
  const others = spec.listeners.filter(({ name, port }) => name !== listener.name && port === listener.port);
  const isSecure = ({ protocol }: Listener) => protocol === 'HTTPS' || protocol === 'TLS';
  if (others.some((other) => isSecure(other) !== isSecure(listener)))
    return fine('ProtocolConflict', `Listeners with port ${listener.port} have protocols that exclude one another`);
  if (others.some(({ hostname = '' }) => hostname === (listener.hostname ?? '')))
    return fine('HostnameConflict', `Several listeners with port ${listener.port} have the same hostname`);
  return not('NoConflicts', 'No conflicts');
}
