/**
 * `$(NAME)` in commands, arguments and variables: replaced when known, left as it is when not; `$$` is `$`.
 * Source: API reference, Container.command.
 */
export function expand(text: string, lookup: (name: string) => string | undefined): string {
  return text.replace(/\$(\$|\(([^)]*)\))/g, (whole, after: string, name: string | undefined) =>
    after === '$' ? '$' : (lookup(name ?? '') ?? whole),
  );
}
