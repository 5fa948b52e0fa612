/**
 * The file of `--token-auth-file`: CSV, one user a line: token, name, uid, and in quotes the groups separated by commas.
 * Source: documentation, "Static token file". It is read once.
 */
import type { UserInfo } from '#client/transport.ts';

/** Throws an Error that names the line; never what stands in it. */
export function parseTokenFile(text: string): { users: Map<string, UserInfo>; warnings: string[] } {
  const users = new Map<string, UserInfo>();
  const warnings: string[] = [];
  let number = 0;
  for (const { fields, line } of recordsOf(text)) {
    const [token = '', name = '', uid = '', groups = ''] = fields;
    if (fields.length < 3)
      throw new Error(
        `line ${line}: a token file must have at least 3 columns (token, user name, user uid), found ${fields.length}`,
      );
    number++;
    if (token === '') {
      warnings.push(`an empty token stands in record ${number}; it is passed over`);
      continue;
    }
    if (users.has(token)) warnings.push(`record ${number} has the token of an earlier one, and counts`);
    users.set(token, { name, ...(uid && { uid }), groups: groups ? groups.split(',') : [] });
  }
  return { users, warnings };
}

/** RFC 4180: a field in quotes may hold commas, line ends, and quotes written twice. Empty lines are no records. */
function* recordsOf(text: string): Generator<{ fields: string[]; line: number }> {
  let fields: string[] = [];
  let line = 1;
  let at = 0;
  while (at < text.length) {
    const start = line;
    const field = /"((?:[^"]|"")*)"|([^",\r\n]*)/y;
    field.lastIndex = at;
    const [whole = '', quoted, plain = ''] = field.exec(text) ?? [];
    line += whole.split('\n').length - 1;
    at += whole.length;
    fields.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (text[at] === ',') {
      at++;
      if (at === text.length) fields.push('');
      else continue;
    }
    const end = /\r?\n|$/y;
    end.lastIndex = at;
    const found = end.exec(text);
    if (!found) throw new Error(`line ${line}: a quote stands where none may stand`);
    at += found[0].length;
    line++;
    if (fields.length > 1 || fields[0] !== '') yield { fields, line: start };
    fields = [];
  }
}
