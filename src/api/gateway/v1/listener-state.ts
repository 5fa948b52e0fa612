/** Whether a listener can be served, and if not why. Source: Gateway API reference, ListenerConditionReason. */
import type { Secret } from '#api/generated/schema.ts';
import { isOfGroup, KINDS_OF_PROTOCOL } from './attachment.ts';
import type { Gateway, Listener } from './gateway.ts';
import { conflictOf, isSecure } from './listener-conflict.ts';
import { mayRefer, type ReferenceGrant } from './reference-grant.ts';
import { GROUP } from './schema-parts.ts';
import type { Taken } from './taken-ports.ts';

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

export interface AroundListeners {
  /** See `takenPorts`. */
  taken: ReadonlyMap<Listener, Taken>;
  grants: readonly ReferenceGrant[];
  /** By `namespace/name`. */
  secret(key: string): Secret | undefined;
}

const fine = (reason: string, message: string): Verdict => ({ isTrue: true, reason, message });
const not = (reason: string, message: string): Verdict => ({ isTrue: false, reason, message });

export function listenerStateOf(gateway: Gateway, listener: Listener, around: AroundListeners): ListenerState {
  const { problem, certificates } = certificatesOf(gateway, listener, around);
  const taken = around.taken.get(listener);
  const conflict = conflictOf(gateway, listener) ?? (taken?.isConflict ? taken : undefined);
  return {
    accepted: asksClients(gateway, listener)
      ? not('UnsupportedValue', 'Certificates of clients cannot be asked for')
      : acceptedOf(listener, taken),
    resolvedRefs: kindProblem(listener) ?? problem ?? fine('ResolvedRefs', 'All references are resolved'),
    conflicted: conflict ? fine(conflict.reason, conflict.message) : not('NoConflicts', 'No conflicts'),
    certificates,
  };
}

/** Newer bundles know it. Served without it, everybody could come in. */
const asksClients = ({ spec }: Gateway, listener: Listener): boolean =>
  isSecure(listener) &&
  listener.tls?.mode !== 'Passthrough' &&
  (has(spec, 'tls', 'frontend') || has(listener.tls, 'frontendValidation'));

const has = (object: unknown, ...[field = '', ...deeper]: string[]): boolean =>
  typeof object === 'object' &&
  object !== null &&
  Object.hasOwn(object, field) &&
  (deeper.length === 0 || has((object as Record<string, unknown>)[field], ...deeper));

function acceptedOf({ protocol }: Listener, taken: Taken | undefined): Verdict {
  if (!KINDS_OF_PROTOCOL.has(protocol)) return not('UnsupportedProtocol', `The protocol ${protocol} is not known`);
  return taken ? not(taken.reason, taken.message) : fine('Accepted', 'The listener is accepted');
}

/** Whether anything at all comes in there. */
export const isServed = ({ accepted, conflicted, certificates }: ListenerState, { protocol, tls }: Listener): boolean =>
  accepted.isTrue &&
  !conflicted.isTrue &&
  (protocol === 'HTTP' || tls?.mode === 'Passthrough' || certificates.length > 0);

function kindProblem({ protocol, allowedRoutes }: Listener): Verdict | undefined {
  const known = KINDS_OF_PROTOCOL.get(protocol) ?? [];
  const unknown = allowedRoutes?.kinds?.find((one) => !isOfGroup(one) || !known.includes(one.kind));
  return unknown && not('InvalidRouteKinds', `Routes of the kind ${unknown.kind} cannot hang on this listener`);
}

function certificatesOf(
  gateway: Gateway,
  { protocol, tls }: Listener,
  { grants, secret }: AroundListeners,
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
