/** Which level a namespace asks for, by its labels. Source: documentation, "Pod Security Admission". */
import type { FieldError } from '#api/machinery/field-error.ts';
import type { Minor } from './violation.ts';

export const LEVELS = ['privileged', 'baseline', 'restricted'] as const;
export type Level = (typeof LEVELS)[number];

export interface Policy {
  level: Level;
  /** `latest` or `v1.36`, as written. */
  version: string;
}

/** What happens to a pod that breaks the rules: refused, noted in the audit log, or its writer is warned. */
export interface Policies {
  enforce: Policy;
  audit: Policy;
  warn: Policy;
}
export type Mode = keyof Policies;

/** `PodSecurityConfiguration` of pod-security.admission.config.k8s.io. */
export interface PodSecurityConfiguration {
  /** `enforce`, `enforce-version` and so on: for namespaces whose labels say nothing. */
  defaults?: Readonly<Record<string, string>>;
  /** Who and what is not looked at. */
  exemptions?: {
    usernames?: readonly string[];
    namespaces?: readonly string[];
    runtimeClasses?: readonly string[];
  };
}

export const MODES: readonly Mode[] = ['enforce', 'audit', 'warn'];
const keysOf = (mode: Mode) => ({
  level: `pod-security.kubernetes.io/${mode}`,
  version: `pod-security.kubernetes.io/${mode}-version`,
});
/** Of labels. Put together once: every pod that is made asks for them. */
const KEYS = { enforce: keysOf('enforce'), audit: keysOf('audit'), warn: keysOf('warn') };
const NOTHING: Policy = { level: 'privileged', version: 'latest' };
type Labels = Readonly<Record<string, string>>;

export const NO_DEFAULTS: Policies = { enforce: NOTHING, audit: NOTHING, warn: NOTHING };

/**
 * A level that cannot be read enforces the strictest and warns of nothing, as upstream has it for what slipped through.
 * Who sets a level to be enforced is warned at that level, unless the labels say otherwise.
 */
export function policiesOf(labels: Labels = {}, defaults: Policies = NO_DEFAULTS): Policies {
  const enforce = policyOf('enforce', labels, defaults);
  const audit = policyOf('audit', labels, defaults);
  const warn = policyOf('warn', labels, defaults);
  const set = labels[KEYS.enforce.level];
  const isWarned = labels[KEYS.warn.level] !== undefined || set === undefined || !isLevel(set);
  if (isWarned || strictness(enforce.level) <= strictness(warn.level)) return { enforce, audit, warn };
  const version = labels[KEYS.warn.version] === undefined ? enforce.version : warn.version;
  return { enforce, audit, warn: { level: enforce.level, version } };
}

function policyOf(mode: Mode, labels: Labels, defaults: Policies): Policy {
  const level = labels[KEYS[mode].level] ?? defaults[mode].level;
  const version = labels[KEYS[mode].version] ?? defaults[mode].version;
  const unreadable = mode === 'enforce' ? 'restricted' : 'privileged';
  return { level: isLevel(level) ? level : unreadable, version: isVersion(version) ? version : 'latest' };
}

/** Of the configuration, whose values were looked at. */
export const defaultPolicies = (defaults: Labels = {}): Policies =>
  Object.fromEntries(
    MODES.map((mode) => [
      mode,
      { level: (defaults[mode] || 'privileged') as Level, version: defaults[`${mode}-version`] || 'latest' },
    ]),
  ) as unknown as Policies;

export const isPrivileged = (policies: Policies): boolean =>
  MODES.every((mode) => policies[mode].level === 'privileged');

export const minorOf = ({ version }: Policy): Minor => (version === 'latest' ? Infinity : Number(version.slice(3)));
export const textOf = ({ level, version }: Policy): string => `${level}:${version}`;
export const strictness = (level: Level): number => LEVELS.indexOf(level);

export const hasLabel = (labels: Labels, mode: Mode): boolean =>
  labels[KEYS[mode].level] !== undefined || labels[KEYS[mode].version] !== undefined;

export const labelErrors = (labels: Labels = {}): FieldError[] =>
  MODES.flatMap((mode) =>
    [KEYS[mode].level, KEYS[mode].version].flatMap((key) => {
      const problem = labels[key] === undefined ? undefined : problemOf(key, labels[key]);
      return problem ? [{ ...problem, field: `metadata.labels[${key}]` }] : [];
    }),
  );

/** Of a value of a label, or of a default of the configuration, whose name ends in `enforce`, `enforce-version` and so on. */
export function problemOf(name: string, value: string): Omit<FieldError, 'field'> | undefined {
  const why = name.endsWith('-version')
    ? !isVersion(value) && 'must be "latest" or "v1.x"'
    : !isLevel(value) && `must be one of ${LEVELS.join(', ')}`;
  return why ? { reason: 'FieldValueInvalid', message: `Invalid value: ${JSON.stringify(value)}: ${why}` } : undefined;
}

const isLevel = (text: string): text is Level => (LEVELS as readonly string[]).includes(text);
const isVersion = (text: string): boolean => /^(latest|v1\.(0|[1-9]\d*))$/.test(text);
