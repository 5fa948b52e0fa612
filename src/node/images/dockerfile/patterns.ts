/** Patterns of COPY and of .dockerignore: `*`, `?`, `[a-z]` within a part of a path, `**` for any number of parts. */
import { DockerfileProblem } from './problem.ts';

const MOST_PATTERN = 500;

/** The whole path must match. Paths are relative, without `./`. */
export function patternExpression(pattern: string): RegExp {
  if (pattern.length > MOST_PATTERN) throw new SyntaxError(`a pattern has at most ${MOST_PATTERN} characters`);
  let expression = '';
  for (let at = 0; at < pattern.length; at++) {
    const rest = pattern.slice(at);
    const [set] = /^\[\^?[^\]/]+\]/.exec(rest) ?? [];
    if (rest.startsWith('**/')) {
      expression += '(?:[^/]+/)*';
      at += 2;
    } else if (rest.startsWith('**')) {
      expression += '.*';
      at += 1;
    } else if (rest.startsWith('*')) expression += '[^/]*';
    else if (rest.startsWith('?')) expression += '[^/]';
    else if (set) {
      expression += set.replace(/\\/g, '\\\\');
      at += set.length - 1;
    } else {
      if (rest.startsWith('\\')) at++;
      expression += (pattern[at] ?? '\\').replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
    }
  }
  return new RegExp(`^${expression}$`);
}

export const hasWildcard = (path: string): boolean => /[*?[]/.test(path);

/** Which files of a build's folder are not seen by it. Later lines win; `!` brings back. Throws DockerfileProblem. */
export function ignoredBy(text: string): (path: string) => boolean {
  const rules = text.split(/\r?\n/).flatMap((raw, index) => {
    const line = raw.trim();
    if (!line || line.startsWith('#')) return [];
    const isBack = line.startsWith('!');
    const pattern = line
      .slice(isBack ? 1 : 0)
      .trim()
      .replace(/^\/+|\/+$/g, '')
      .replace(/^(\.\/)+/, '');
    return pattern ? [{ isBack, expression: placedExpression(pattern, index + 1) }] : [];
  });
  return (path) => {
    const parts = path.split('/');
    let isIgnored = false;
    for (const { isBack, expression } of rules) {
      // what matches a folder matches all that is in it
      if (parts.some((_, index) => expression.test(parts.slice(0, index + 1).join('/')))) isIgnored = !isBack;
    }
    return isIgnored;
  };
}

function placedExpression(pattern: string, line: number): RegExp {
  try {
    return patternExpression(pattern);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new DockerfileProblem({ file: '.dockerignore', line }, error.message);
  }
}
