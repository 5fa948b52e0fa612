/** What is said when a cluster is up. */
import { resolve } from 'node:path';
import pc from 'picocolors';
import type { PublishedPort } from './control-protocol.ts';
import type { Session } from './up-session.ts';

interface Result {
  urls: string[];
  published: readonly PublishedPort[];
  contextName: string;
  configPath: string;
}

export function summarize(session: Session, result: Result): void {
  const { context, options, paths, missing } = session;
  const { out } = context;
  const name = options.name === 'dev' ? '' : ` --name ${options.name}`;
  out('');
  if (result.urls.length > 0) out('The example answers at');
  for (const url of result.urls) out(`  ${pc.bold(url)}`);
  const own =
    resolve(result.configPath) === resolve(paths.kubeconfig)
      ? ''
      : `; the cluster's own kubeconfig is ${paths.kubeconfig}`;
  for (const line of publishedLines(result.published)) out(line);
  out(`Context ${pc.bold(result.contextName)} is in ${result.configPath}${own}`);
  out('Try');
  out(`  npx kedge kubectl${name} get pods -o wide`);
  if (options.example && missing.length === 0) {
    out(`  npx kedge kubectl${name} set image deployment/myapp web=kedge.local/hello:2`);
    out(`  npx kedge kubectl${name} scale deployment/myapp --replicas=20`);
  }
  out(`  npx kedge status${name}`);
  if (missing.length === 0) return;
  out('');
  out(
    pc.yellow(
      'The nodes are simulated: pods are scheduled and reported as running, but no container runs and no URL answers.',
    ),
  );
  out('What is missing for real containers:');
  for (const { what, remedy } of missing) out(`  ${what}: ${remedy}`);
}

/** Where this machine's own programs find Ingresses and published Services. */
function publishedLines(published: readonly PublishedPort[]): string[] {
  const at = (scheme: 'http' | 'https', usual: number) => {
    const found = published.find(({ to, problem }) => to === `ingress ${scheme}` && !problem);
    return found && `${scheme}://NAME.localhost${found.port === usual ? '' : `:${found.port}`}/`;
  };
  const urls = [at('http', 80), at('https', 443)].filter((url) => url !== undefined);
  return [
    ...(urls.length > 0 ? [`Ingresses for hosts under .localhost answer at ${urls.join(' and ')}`] : []),
    ...published
      .filter(({ to }) => !to.startsWith('ingress '))
      .map(({ port, to, problem }) =>
        problem ? `${to} is not published: ${problem}` : `${to} is published at 127.0.0.1:${port}`,
      ),
  ];
}
