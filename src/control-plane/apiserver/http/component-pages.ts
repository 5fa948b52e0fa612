/** `/statusz` and `/flagz`: what this component is and how it was started, as text and as objects. Source: KEP-4827, KEP-4828. */
import { notAcceptable } from '#api/machinery/status.ts';
import { clausesOf, type Encoding } from './negotiation.ts';
import { KUBERNETES_VERSION, versionInfo } from './version.ts';

export type ComponentPage = 'Statusz' | 'Flagz';

/** Of both pages. */
const COMPONENT = 'apiserver';
const GROUP = 'config.k8s.io';
const VERSIONS: ReadonlySet<string | undefined> = new Set(['v1alpha1', 'v1beta1']);
const MEDIA_TYPES = ['application/json', 'application/yaml', 'text/plain'];

export interface PageForm {
  encoding: Extract<Encoding, 'json' | 'yaml'> | 'text';
  version: string;
}

/** Objects go only to those who ask for the kind. Throws NotAcceptable. */
export function pageFormOf(accept: string, kind: ComponentPage): PageForm {
  if (accept.trim() === '') return { encoding: 'text', version: '' };
  for (const { mediaType, parameters } of clausesOf(accept)) {
    const as = parameters.get('as');
    const isText = mediaType === 'text/plain' || mediaType === 'text/*' || mediaType === '*/*';
    if (isText && as === undefined) return { encoding: 'text', version: '' };
    const version = parameters.get('v');
    if (as !== kind || parameters.get('g') !== GROUP || !VERSIONS.has(version)) continue;
    if (mediaType === 'application/yaml') return { encoding: 'yaml', version: version! };
    if (mediaType === 'application/json' || mediaType === 'application/*' || mediaType === '*/*')
      return { encoding: 'json', version: version! };
  }
  throw notAcceptable(`only the following media types are accepted: ${MEDIA_TYPES.join(', ')}`);
}

/** For who asks for the older version. */
export const deprecationOf = (kind: ComponentPage, { version }: PageForm): string | undefined =>
  version === 'v1alpha1'
    ? `This version of the ${kind.toLowerCase()} endpoint is deprecated. Please use a newer version.`
    : undefined;

export interface Status {
  startedMs: number;
  nowMs: number;
  /** All that is listed at `/`. */
  paths: readonly string[];
}

const typeMeta = (kind: ComponentPage, { version }: PageForm) => ({
  kind,
  apiVersion: `${GROUP}/${version}`,
  metadata: { name: COMPONENT },
});

export function statuszObject({ startedMs, nowMs, paths }: Status, form: PageForm): object {
  return {
    ...typeMeta('Statusz', form),
    startTime: `${new Date(startedMs).toISOString().slice(0, 19)}Z`,
    uptimeSeconds: Math.max(0, Math.floor((nowMs - startedMs) / 1000)),
    goVersion: versionInfo()['goVersion'] ?? '',
    binaryVersion: BINARY_VERSION,
    emulationVersion: BINARY_VERSION,
    paths: helpfulPaths(paths),
  };
}

export const flagzObject = (flags: Readonly<Record<string, string>>, form: PageForm): object => ({
  ...typeMeta('Flagz', form),
  flags,
});

const BINARY_VERSION = `${KUBERNETES_VERSION.major}.${KUBERNETES_VERSION.minor}`;
const head = (page: string) =>
  `\n${COMPONENT} ${page}\nWarning: This endpoint is not meant to be machine parseable, has no formatting compatibility guarantees and is for debugging purposes only.\n`;

export function statuszText({ startedMs, nowMs, paths }: Status): string {
  const seconds = Math.max(0, Math.floor((nowMs - startedMs) / 1000));
  const two = (value: number) => String(value % 60).padStart(2, '0');
  const up = `${Math.floor(seconds / 3600)} hr ${two(Math.floor(seconds / 60))} min ${two(seconds)} sec`;
  const lines = [
    `Started: ${new Date(startedMs).toUTCString()}`,
    `Up: ${up}`,
    `Go version: ${versionInfo()['goVersion'] ?? ''}`,
    `Binary version: ${BINARY_VERSION}`,
    `Emulation version: ${BINARY_VERSION}`,
    `Paths: ${helpfulPaths(paths).join(' ')}`,
  ];
  return `${head('statusz')}\n${lines.join('\n')}\n`;
}

export function flagzText(flags: Readonly<Record<string, string>>): string {
  const lines = Object.keys(flags)
    .sort()
    .map((name) => `${name}=${flags[name]}\n`);
  return `${head('flagz')}${lines.join('')}`;
}

const NOT_FOR_DEBUGGING: ReadonlySet<string> = new Set(['/apis', '/api', '/openid', '/openapi', '/.well-known']);

/** Their first parts, which help who looks for a fault. */
const helpfulPaths = (paths: readonly string[]): string[] =>
  [...new Set(paths.map((path) => `/${path.split('/')[1]}`))]
    .filter((path) => path !== '/' && !NOT_FOR_DEBUGGING.has(path))
    .sort();
