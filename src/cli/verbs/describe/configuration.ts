/** What pods are configured with, and what bounds a namespace. */
import type {
  ConfigMap,
  LimitRange,
  LimitRangeSpec,
  Namespace,
  ResourceQuota,
  Secret,
  ServiceAccount,
} from '#api/generated/schema.ts';
import { type Describer, listed } from './describer.ts';
import { describeEvents } from './events.ts';
import { formatTime, type Report, sortedEntries } from './report.ts';

export const configMapDescriber: Describer<ConfigMap> = {
  kind: 'ConfigMap',
  async describe(report, configMap, context) {
    const { metadata, data, binaryData } = configMap;
    report.field('Name', metadata.name);
    report.field('Namespace', metadata.namespace);
    report.labels('Labels', metadata.labels);
    report.annotations('Annotations', metadata.annotations);
    report.write(0, '\nData\n====\n');
    for (const [key, value] of sortedEntries(data)) report.write(0, `${key}:\n----\n${value}\n\n`);
    report.write(0, '\nBinaryData\n====\n');
    for (const [key, value] of sortedEntries(binaryData)) report.line(0, `${key}: ${bytesIn(value)} bytes`);
    report.line(0, '');
    await describeEvents(report, configMap, context);
  },
};

const bytesIn = (base64: unknown): number => Buffer.from(String(base64), 'base64').length;

export const secretDescriber: Describer<Secret> = {
  kind: 'Secret',
  describe(report, { metadata, type, data }) {
    report.field('Name', metadata.name);
    report.field('Namespace', metadata.namespace);
    report.labels('Labels', metadata.labels);
    report.annotations('Annotations', metadata.annotations);
    report.write(0, `\nType:\t${type}\n\nData\n====\n`);
    for (const [key, value] of sortedEntries(data)) {
      const isToken = key === 'token' && type === 'kubernetes.io/service-account-token';
      const text = isToken ? Buffer.from(String(value), 'base64').toString('utf8') : `${bytesIn(value)} bytes`;
      report.field(key, text);
    }
  },
};

export const serviceAccountDescriber: Describer<ServiceAccount> = {
  kind: 'ServiceAccount',
  async describe(report, account, context) {
    const { metadata, imagePullSecrets = [] } = account;
    report.field('Name', metadata.name);
    report.field('Namespace', metadata.namespace);
    report.labels('Labels', metadata.labels);
    report.annotations('Annotations', metadata.annotations);
    const title = 'Image pull secrets:';
    if (imagePullSecrets.length === 0) report.line(0, `${title}\t<none>`);
    for (const [index, { name }] of imagePullSecrets.entries())
      report.line(0, `${index === 0 ? title : ' '.repeat(title.length)}\t${name}`);
    await describeEvents(report, account, context);
  },
};

export const namespaceDescriber: Describer<Namespace> = {
  kind: 'Namespace',
  async describe(report, { metadata, status }, context) {
    report.field('Name', metadata.name);
    report.labels('Labels', metadata.labels);
    report.annotations('Annotations', metadata.annotations);
    report.field('Status', status?.phase ?? '');
    if (status?.conditions?.length) {
      const headers = ['Type', 'Status', 'LastTransitionTime', 'Reason', 'Message'];
      const rows = status.conditions.map(({ type, status: is, lastTransitionTime, reason = '', message = '' }) => [
        type,
        is,
        formatTime(lastTransitionTime),
        reason,
        message,
      ]);
      report.table('Conditions', headers, rows, ['----', '------', '------------------', '------', '-------']);
    }
    const within = { namespace: metadata.name };
    report.line(0, '');
    describeQuotas(report, await listed<ResourceQuota>(context, 'resourcequotas', within));
    report.line(0, '');
    describeLimitRanges(report, await listed<LimitRange>(context, 'limitranges', within));
  },
};

function describeQuotas(report: Report, quotas: readonly ResourceQuota[]): void {
  if (quotas.length === 0) {
    report.line(0, 'No resource quota.');
    return;
  }
  report.line(0, 'Resource Quotas');
  for (const quota of quotas) {
    report.field('Name', quota.metadata.name, 1);
    describeScopes(report, quota, 1, '* ');
    report.line(1, 'Resource\tUsed\tHard');
    report.line(1, '--------\t---\t---');
    for (const [name, used, hard] of amountsOf(quota)) report.line(1, `${name}\t${used}\t${hard}`);
  }
}

export const resourceQuotaDescriber: Describer<ResourceQuota> = {
  kind: 'ResourceQuota',
  describe(report, quota) {
    report.field('Name', quota.metadata.name);
    report.field('Namespace', quota.metadata.namespace);
    describeScopes(report, quota, 0, ' * ');
    report.line(0, 'Resource\tUsed\tHard');
    report.line(0, '--------\t----\t----');
    for (const [name, used, hard] of amountsOf(quota)) report.line(0, `${name}\t${used}\t${hard}`);
  },
};

const amountsOf = ({ status }: ResourceQuota): [string, string, string][] =>
  sortedEntries(status?.hard).map(([name, hard]) => [name, String(status?.used?.[name] ?? '0'), String(hard)]);

const SCOPES: Readonly<Record<string, string>> = {
  Terminating:
    'Matches all pods that have an active deadline. These pods have a limited lifespan on a node before being actively terminated by the system.',
  NotTerminating:
    'Matches all pods that do not have an active deadline. These pods usually include long running pods whose container command is not expected to terminate.',
  BestEffort:
    'Matches all pods that do not have resource requirements set. These pods have a best effort quality of service.',
  NotBestEffort:
    'Matches all pods that have at least one resource requirement set. These pods have a burstable or guaranteed quality of service.',
};

function describeScopes(report: Report, { spec }: ResourceQuota, level: number, bullet: string): void {
  const scopes = [...(spec?.scopes ?? [])].sort();
  if (scopes.length > 0) report.field('Scopes', scopes.join(', '), level);
  for (const scope of scopes) if (SCOPES[scope]) report.line(level, `${bullet}${SCOPES[scope]}`);
}

const LIMIT_HEADERS = ['Type', 'Resource', 'Min', 'Max', 'Default Request', 'Default Limit', 'Max Limit/Request Ratio'];
const LIMIT_RULES = ['----', '--------', '---', '---', '---------------', '-------------', '-----------------------'];

export const limitRangeDescriber: Describer<LimitRange> = {
  kind: 'LimitRange',
  describe(report, { metadata, spec }) {
    report.field('Name', metadata.name);
    report.field('Namespace', metadata.namespace);
    report.line(0, LIMIT_HEADERS.join('\t'));
    report.line(0, LIMIT_RULES.join('\t'));
    describeLimits(report, spec, '');
  },
};

function describeLimitRanges(report: Report, ranges: readonly LimitRange[]): void {
  if (ranges.length === 0) {
    report.line(0, 'No LimitRange resource.');
    return;
  }
  report.line(0, `Resource Limits\n ${LIMIT_HEADERS.join('\t')}`);
  report.line(0, ` ${LIMIT_RULES.join('\t')}`);
  for (const { spec } of ranges) describeLimits(report, spec, ' ');
}

function describeLimits(report: Report, spec: LimitRangeSpec | undefined, indent: string): void {
  for (const { type, min, max, default: limit, defaultRequest, maxLimitRequestRatio } of spec?.limits ?? []) {
    const columns = [min, max, defaultRequest, limit, maxLimitRequestRatio];
    const names = new Set(columns.flatMap((amounts) => Object.keys(amounts ?? {})));
    for (const name of names)
      report.line(0, `${indent}${type}\t${name}\t${columns.map((amounts) => amounts?.[name] ?? '-').join('\t')}`);
  }
}
