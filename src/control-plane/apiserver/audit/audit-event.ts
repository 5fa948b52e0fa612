/** audit.k8s.io/v1 Event, in the order in which upstream writes its fields. */
import type { Status } from '#api/machinery/status.ts';
import type { UserInfo } from '#client/transport.ts';
import type { Level, Stage } from './policy.ts';

export interface AuditUser {
  username?: string;
  uid?: string;
  groups?: readonly string[];
  extra?: Readonly<Record<string, readonly string[]>>;
}

export interface ObjectReference {
  resource?: string;
  namespace?: string;
  name?: string;
  uid?: string;
  apiGroup?: string;
  apiVersion?: string;
  resourceVersion?: string;
  subresource?: string;
}

export interface AuditEvent {
  kind: 'Event';
  apiVersion: 'audit.k8s.io/v1';
  level: Level;
  auditID: string;
  stage: Stage;
  requestURI: string;
  verb: string;
  user: AuditUser;
  impersonatedUser?: AuditUser;
  authenticationMetadata?: { impersonationConstraint: string };
  sourceIPs?: readonly string[];
  userAgent?: string;
  objectRef?: ObjectReference;
  responseStatus?: Partial<Omit<Status, 'metadata'>> & { metadata: object };
  requestObject?: unknown;
  responseObject?: unknown;
  /** RFC 3339 with microseconds. */
  requestReceivedTimestamp: string;
  stageTimestamp: string;
  annotations?: Readonly<Record<string, string>>;
}

export function auditUser({ name, uid, groups, extra }: UserInfo): AuditUser {
  return {
    ...(name && { username: name }),
    ...(uid && { uid }),
    ...(groups.length > 0 && { groups }),
    ...(extra && Object.keys(extra).length > 0 && { extra }),
  };
}

/** Where an event goes. Never throws; what cannot be kept is counted. */
export interface AuditSink {
  write(event: AuditEvent): void;
  /** Resolves when everything written is out, or was given up. */
  close(): Promise<void>;
}

/** ms since the epoch → `2026-01-01T00:00:00.000000Z`. */
export const microTime = (ms: number): string => `${new Date(ms).toISOString().slice(0, -1)}000Z`;
