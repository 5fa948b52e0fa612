/**
 * Acting as somebody else (`kubectl --as`). Either the caller may `impersonate` each thing that is taken on, for whatever
 * request; or, which is tried first, may take it on in one of the constrained modes and only for this kind of request: the
 * verbs `impersonate:MODE` and `impersonate-on:MODE:VERB`. Source: documentation, "User impersonation"; KEP-5284.
 */
import { badRequest, forbidden, type StatusError } from '#api/machinery/status.ts';
import type { UserInfo } from '#client/transport.ts';
import type { Attributes, Authorizer } from '../authorization/authorizer.ts';
import { ANONYMOUS, AUTHENTICATED_GROUP, type Credentials, UNAUTHENTICATED_GROUP } from './authenticator.ts';
import { decodedExtraKey } from './extra-key.ts';
import { constrainedModes, legacyMode, type Mode, type WantedUser } from './impersonation-modes.ts';

const USER = 'impersonate-user';
const GROUP = 'impersonate-group';
const UID = 'impersonate-uid';
const EXTRA = 'impersonate-extra-';

type Headers = Credentials['headers'];

/** A request as far as it says who its caller wants to be. */
interface Asking {
  headers: Headers;
  /** Names and values in turn. */
  rawHeaders: readonly string[];
}

export interface Impersonated {
  user: UserInfo;
  /** The constrained mode's verb, for the audit event. */
  constraint?: string;
}

/** So many callers are remembered with the mode that they used last. */
const MAX_REMEMBERED = 10_000;

export class Impersonation {
  readonly #authorizer: Authorizer;
  readonly #modes: readonly Mode[] = [...constrainedModes, legacyMode];
  readonly #lastMode = new Map<string, Mode>();

  constructor(authorizer: Authorizer) {
    this.#authorizer = authorizer;
  }

  /** undefined without such headers. Throws Forbidden, and BadRequest for headers that name no user. */
  actingAs(attributes: () => Attributes, request: Asking): Promise<Impersonated> | undefined {
    const wanted = wantedBy(request);
    return wanted && this.#inSomeMode(attributes(), wanted);
  }

  /** What is refused in every mode is told in the words of the first that was tried. */
  async #inSomeMode(attributes: Attributes, wanted: WantedUser): Promise<Impersonated> {
    const caller = attributes.user.name;
    const last = this.#lastMode.get(caller);
    const order = last ? [last, ...this.#modes.filter((mode) => mode !== last)] : this.#modes;
    let refusal: StatusError | undefined;
    for (const mode of order) {
      if (!mode.applies(wanted, attributes.user)) continue;
      const problem = await mode.refusal(wanted, attributes, this.#authorizer);
      if (!problem) {
        this.#remember(caller, mode);
        const { constraint } = mode;
        return { user: withStandardGroups(wanted, mode.groups(wanted)), ...(constraint && { constraint }) };
      }
      refusal ??= problem;
    }
    throw refusal ?? forbidden({ group: '', plural: 'users' }, wanted.name, 'all impersonation modes failed');
  }

  #remember(caller: string, mode: Mode): void {
    if (this.#lastMode.get(caller) === mode) return;
    this.#lastMode.delete(caller);
    this.#lastMode.set(caller, mode);
    if (this.#lastMode.size > MAX_REMEMBERED) this.#lastMode.delete(this.#lastMode.keys().next().value ?? '');
  }
}

function wantedBy({ headers, rawHeaders }: Asking): WantedUser | undefined {
  if (!hasImpersonation(rawHeaders)) return undefined;
  const name = wholeOf(headers, USER);
  const uid = wholeOf(headers, UID);
  const groups = valuesOf(headers, GROUP);
  const extra = extraOf(headers);
  if (name) return { name, uid, groups, extra };
  if (!uid && groups.length === 0 && extra.size === 0) return undefined;
  throw badRequest(`requested ${goText({ name, uid, groups, extra })} without impersonating a user name`);
}

/** Most requests have none of these: they pay for one look at their headers' first letters. */
function hasImpersonation(rawHeaders: readonly string[]): boolean {
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    if ((name.charCodeAt(0) | LOWER_CASE) === I && name.toLowerCase().startsWith('impersonate-')) return true;
  }
  return false;
}
const I = 0x69;
const LOWER_CASE = 0x20;

const wholeOf = (headers: Headers, name: string): string => {
  const value = headers[name];
  return Array.isArray(value) ? (value[0] ?? '') : (value ?? '');
};

/** Node joins repeated headers with a comma and a space. */
const valuesOf = (headers: Headers, name: string): string[] => {
  const value = headers[name];
  if (value === undefined) return [];
  return Array.isArray(value) ? value : value.split(', ');
};

function extraOf(headers: Headers): WantedUser['extra'] {
  const extra = new Map<string, string[]>();
  for (const header of Object.keys(headers)) {
    if (!header.startsWith(EXTRA)) continue;
    const key = decodedExtraKey(header.slice(EXTRA.length));
    extra.set(key, [...(extra.get(key) ?? []), ...valuesOf(headers, header)]);
  }
  return extra;
}

/** How Go prints such a user in its message. */
function goText({ name, uid, groups, extra }: WantedUser): string {
  const list = (values: readonly string[]) =>
    values.length === 0 ? '[]string(nil)' : `[]string{${values.map((one) => JSON.stringify(one)).join(', ')}}`;
  const pairs = [...extra].map(([key, values]) => `${JSON.stringify(key)}:${list(values)}`).join(', ');
  const map = extra.size === 0 ? 'map[string][]string(nil)' : `map[string][]string{${pairs}}`;
  return `&user.DefaultInfo{Name:${JSON.stringify(name)}, UID:${JSON.stringify(uid)}, Groups:${list(groups)}, Extra:${map}}`;
}

function withStandardGroups({ name, uid, extra }: WantedUser, groups: readonly string[]): UserInfo {
  const standard = name === ANONYMOUS ? UNAUTHENTICATED_GROUP : AUTHENTICATED_GROUP;
  const isComplete = groups.includes(standard) || groups.includes(UNAUTHENTICATED_GROUP);
  return {
    name,
    groups: isComplete ? groups : [...groups, standard],
    ...(uid && { uid }),
    ...(extra.size > 0 && { extra: Object.fromEntries(extra) }),
  };
}
