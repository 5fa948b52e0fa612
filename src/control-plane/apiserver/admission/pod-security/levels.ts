/** Which level a namespace asks for, by its labels. Source: documentation, "Pod Security Admission". */
import type { FieldError } from '#api/machinery/field-error.ts';

export const LEVELS = ['privileged', 'baseline', 'restricted'] as const;
export type Level = (typeof LEVELS)[number];
/** What happens to a pod that breaks the rules: refused, noted in the audit log, or its writer is warned. */
export type Mode = 'enforce' | 'audit' | 'warn';

export interface Policy {
  level: Level;
  /** `latest` or `v1.36`, as written. Rules are those of the newest version, whichever is named. */
  version: string;
}

const PREFIX = 'pod-security.kubernetes.io/';
const MODES: readonly Mode[] = ['enforce', 'audit', 'warn'];
type Labels = Readonly<Record<string, string>>;

/** A value that cannot be read means the strictest, as upstream has it for what slipped through. */
export function policyFor(mode: Mode, labels: Labels = {}): Policy {
  const level = labels[`${PREFIX}${mode}`];
  const version = labels[`${PREFIX}${mode}-version`] ?? 'latest';
  if (level === undefined) return { level: 'privileged', version };
  return isLevel(level) ? { level, version } : { level: 'restricted', version: 'latest' };
}

export function labelErrors(labels: Labels = {}): FieldError[] {
  return MODES.flatMap((mode) => [
    ...labelError(labels, mode, (level) => (isLevel(level) ? undefined : `must be one of ${LEVELS.join(', ')}`)),
    ...labelError(labels, `${mode}-version`, (version) =>
      /^(latest|v1\.(0|[1-9]\d*))$/.test(version) ? undefined : 'must be "latest" or "v1.x"',
    ),
  ]);
}

function labelError(labels: Labels, name: string, problem: (value: string) => string | undefined): FieldError[] {
  const key = `${PREFIX}${name}`;
  const value = labels[key];
  const why = value === undefined ? undefined : problem(value);
  if (!why) return [];
  return [
    {
      reason: 'FieldValueInvalid',
      field: `metadata.labels[${key}]`,
      message: `Invalid value: ${JSON.stringify(value)}: ${why}`,
    },
  ];
}

const isLevel = (text: string): text is Level => (LEVELS as readonly string[]).includes(text);
