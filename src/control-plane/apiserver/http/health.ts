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

/** Told of every check that was made with all others. */
export type ObserveHealth = (name: string, endpoint: HealthEndpoint, isWell: boolean) => void;

export interface HealthAnswer {
  code: number;
  text: string;
}

export interface HealthQuestion {
  endpoint: HealthEndpoint;
  name: string;
  query: URLSearchParams;
  observe?: ObserveHealth | undefined;
}

/** `name` is what follows the endpoint in the path; undefined when there is no such check. */
export async function healthOf(
  checks: readonly HealthCheck[],
  { endpoint, name, query, observe }: HealthQuestion,
): Promise<HealthAnswer | undefined> {
  const ours = checks.filter(({ of }) => of.includes(endpoint));
  if (!name) return answerOf(ours, { endpoint, query, observe });
  const one = ours.find((check) => check.name === name);
  if (!one) return undefined;
  // Why is told to who asks for this check alone: not everybody may.
  const problem = await problemOf(one);
  return problem === undefined ? { code: 200, text: 'ok' } : { code: 500, text: `internal server error: ${problem}\n` };
}

/** undefined: it is well. */
async function problemOf({ check }: HealthCheck): Promise<string | undefined> {
  try {
    await check();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function answerOf(
  checks: readonly HealthCheck[],
  { endpoint, query, observe }: Omit<HealthQuestion, 'name'>,
): Promise<HealthAnswer> {
  const excluded = new Set(query.getAll('exclude'));
  const results = await Promise.all(
    checks.map(async (check) => {
      if (excluded.has(check.name)) return { isWell: true, line: `[+]${check.name} excluded: ok` };
      const isWell = (await problemOf(check)) === undefined;
      observe?.(check.name, endpoint, isWell);
      return { isWell, line: isWell ? `[+]${check.name} ok` : `[-]${check.name} failed: reason withheld` };
    }),
  );
  const isWell = results.every((result) => result.isWell);
  if (isWell && !query.has('verbose')) return { code: 200, text: 'ok' };
  const unknown = [...excluded].filter((name) => !checks.some((check) => check.name === name)).sort();
  const lines = [
    ...results.map(({ line }) => line),
    ...(unknown.length > 0
      ? [
          `warn: some health checks cannot be excluded: no matches for ${unknown.map((name) => JSON.stringify(name)).join(',')}`,
        ]
      : []),
    `${endpoint} check ${isWell ? 'passed' : 'failed'}`,
  ];
  return { code: isWell ? 200 : 500, text: `${lines.join('\n')}\n` };
}
