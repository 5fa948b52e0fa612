/**
 * `/healthz`, `/livez`, `/readyz`: a list of named checks. Texts as upstream's, because people and scripts read them.
 */

export interface HealthCheck {
  name: string;
  /** Which of the endpoints ask it. */
  of: readonly ('healthz' | 'livez' | 'readyz')[];
  /** Throws when it is not well. */
  check(): Promise<void> | void;
}

export type HealthEndpoint = HealthCheck['of'][number];

export interface HealthAnswer {
  code: number;
  text: string;
}

/** `name` is what follows the endpoint in the path; undefined when there is no such check. */
export async function healthOf(
  checks: readonly HealthCheck[],
  { endpoint, name, query }: { endpoint: HealthEndpoint; name: string; query: URLSearchParams },
): Promise<HealthAnswer | undefined> {
  const excluded = new Set(query.getAll('exclude'));
  const ours = checks.filter(({ of }) => of.includes(endpoint));
  if (name) {
    const one = ours.find((check) => check.name === name);
    return one && answerOf(endpoint, await run([one]), { verbose: query.has('verbose') });
  }
  const results = await run(ours.filter((check) => !excluded.has(check.name)));
  const skipped = ours.filter((check) => excluded.has(check.name)).map((check) => check.name);
  return answerOf(endpoint, results, { verbose: query.has('verbose'), skipped });
}

interface Result {
  name: string;
  isWell: boolean;
}

const run = (checks: readonly HealthCheck[]): Promise<Result[]> =>
  Promise.all(
    checks.map(async ({ name, check }) => {
      try {
        await check();
        return { name, isWell: true };
      } catch {
        return { name, isWell: false }; // why is for the log of whoever failed, not for everybody who may ask
      }
    }),
  );

function answerOf(
  endpoint: HealthEndpoint,
  results: readonly Result[],
  { verbose, skipped = [] }: { verbose: boolean; skipped?: readonly string[] },
): HealthAnswer {
  const isWell = results.every((result) => result.isWell);
  if (isWell && !verbose) return { code: 200, text: 'ok' };
  const lines = [
    ...results.map((result) => (result.isWell ? `[+]${result.name} ok` : `[-]${result.name} failed: reason withheld`)),
    ...skipped.map((name) => `[+]${name} excluded: ok`),
    `${endpoint} check ${isWell ? 'passed' : 'failed'}`,
  ];
  return { code: isWell ? 200 : 500, text: `${lines.join('\n')}\n` };
}
