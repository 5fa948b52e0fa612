/**
 * Tokens of ServiceAccounts signed by another process of this machine, which keeps the keys: it is asked for each signature,
 * and now and then for the keys to verify with. Source: KEP-740; upstream's externaljwt/plugin, texts as there.
 */
import { createPublicKey } from 'node:crypto';
import type { MethodDefinition } from '@grpc/proto-loader';
import type { JWTPayload } from 'jose';
import { isJsonObject } from '#api/machinery/json-value.ts';
import { type Clock, sleep, type Timer } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import { type CallTerms, connectPlugin, type PluginSocket } from '#control-plane/storage/encryption/plugin-socket.ts';
import { type FetchedKeys, outsideSignerMethods } from './outside-signer-api.ts';
import { codeOf, OutsideSignerCounts } from './outside-signer-counts.ts';
import { algorithmOf, type TokenSigner, type VerificationKey } from './token-signer.ts';

export interface OutsideSignerOptions {
  /** `--service-account-signing-endpoint`: the path of a socket; with @ in front one without a file. */
  endpoint: string;
  clock: Clock;
  log: Log;
}

/** Of the first keys, and of each later look at them. */
const KEYS_TIMEOUT_MS = 60_000;
const METADATA_TIMEOUT_MS = 10_000;
/** As long as a request has. */
const SIGN_TIMEOUT_MS = 60_000;
const FALLBACK_REFRESH_MS = 10_000;
/** Anybody may send tokens of keys that do not exist. Upstream asks for each, one after the other. */
const UNKNOWN_KEY_PAUSE_MS = 1_000;
const LEAST_LIFE_SECONDS = 600;
const MAX_KEY_ID_LENGTH = 1024;
const SIGNING_ALGORITHMS: ReadonlySet<unknown> = new Set(['RS256', 'ES256', 'ES384', 'ES512']);

/** Resolves when its keys are known. Throws what is wrong with it. */
export async function openOutsideSigner(options: OutsideSignerOptions): Promise<OutsideSigner> {
  const socket = connectPlugin(options);
  try {
    const signer = new OutsideSigner(socket, options);
    await signer.begin();
    return signer;
  } catch (error) {
    socket.close();
    throw new Error(`while setting up external-jwt-signer: ${(error as Error).message}`);
  }
}

interface KnownKeys {
  keys: readonly VerificationKey[];
  refreshMs: number;
}

export class OutsideSigner implements TokenSigner {
  readonly signsLegacy = false;
  maxLifeSeconds: number | undefined;
  readonly #socket: PluginSocket;
  readonly #methods = outsideSignerMethods();
  readonly counts = new OutsideSignerCounts();
  readonly #clock: Clock;
  readonly #log: Log;
  #known: KnownKeys = { keys: [], refreshMs: 0 };
  #refreshing: Promise<void> | undefined;
  /** For a key that is not known. */
  #looking: Promise<void> | undefined;
  #lookedMs = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(socket: PluginSocket, { clock, log }: Pick<OutsideSignerOptions, 'clock' | 'log'>) {
    this.#socket = socket;
    this.#clock = clock;
    this.#log = log;
  }

  async begin(): Promise<void> {
    await this.#refresh().catch((error: Error) => {
      throw new Error(`while initially filling key cache: while performing initial cache fill: ${error.message}`);
    });
    const terms = { timeoutMs: METADATA_TIMEOUT_MS, waits: true };
    const { max_token_expiration_seconds: life } = await this.#call(this.#methods.metadata, {}, terms);
    if (life < LEAST_LIFE_SECONDS)
      throw new Error(
        `max token life supported by external-jwt-signer (${life}s) is less than acceptable (min ${LEAST_LIFE_SECONDS}s)`,
      );
    this.maxLifeSeconds = life;
    this.#refreshAt(this.#known.refreshMs);
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#socket.close();
  }

  async sign(claims: JWTPayload): Promise<string> {
    try {
      const token = await this.#signed(claims);
      this.counts.signed('OK');
      return token;
    } catch (error) {
      this.counts.signed(codeOf(error));
      throw error;
    }
  }

  async #signed(claims: JWTPayload): Promise<string> {
    const payload = Buffer.from(JSON.stringify(claims)).toString('base64url');
    const terms = { timeoutMs: SIGN_TIMEOUT_MS, waits: true };
    const { header, signature } = await this.#call(this.#methods.sign, { claims: payload }, terms).catch(
      during('while signing jwt'),
    );
    const keyId = await Promise.resolve(header).then(checkedHeader).catch(during('while validating header'));
    if ((await this.#keysWith(keyId, () => this.#refresh())).some(({ isHidden }) => isHidden))
      throw new Error(
        `while validating header: key used for signing JWT (kid: ${keyId}) is excluded from OIDC discovery docs`,
      );
    if (!signature) throw new Error('empty signature returned');
    return `${header}.${payload}.${signature}`;
  }

  keys(): readonly VerificationKey[] {
    return this.#known.keys;
  }

  /** Asks again for one that is not known yet, for it may be new; not more than once a second, however many are asked for. */
  async keysWith(id: string): Promise<readonly VerificationKey[]> {
    return this.#keysWith(id, () => this.#look());
  }

  async #keysWith(id: string, refresh: () => Promise<void>): Promise<readonly VerificationKey[]> {
    const known = this.#find(id);
    if (known.length > 0) return known;
    try {
      await refresh();
    } catch (error) {
      this.#log.warn('keys for tokens of ServiceAccounts could not be had', { error: String(error) });
      return [];
    }
    return this.#find(id);
  }

  keysHoldSeconds(): number {
    return Math.max(0, Math.floor((this.#known.refreshMs - this.#clock.now()) / 1000));
  }

  #find(id: string): readonly VerificationKey[] {
    return this.#known.keys.filter((one) => one.id === id);
  }

  #look(): Promise<void> {
    this.#looking ??= this.#looked().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #looked(): Promise<void> {
    const waitMs = this.#lookedMs + UNKNOWN_KEY_PAUSE_MS - this.#clock.monotonicMs();
    if (waitMs > 0) await sleep(this.#clock, waitMs);
    this.#lookedMs = this.#clock.monotonicMs();
    await this.#refresh();
  }

  /** Whoever asks while it is under way waits for the same answer. */
  #refresh(): Promise<void> {
    this.#refreshing ??= this.#fetched().then(
      (takenAt) => {
        this.#refreshing = undefined;
        this.counts.fetched(this.#clock.now() / 1000, takenAt);
      },
      (error: unknown) => {
        this.#refreshing = undefined;
        this.counts.notFetched(codeOf(error));
        throw error;
      },
    );
    return this.#refreshing;
  }

  /** Resolves with when they were put together, in seconds. */
  async #fetched(): Promise<number> {
    const at = 'while fetching token verification keys';
    const terms = { timeoutMs: KEYS_TIMEOUT_MS, waits: true };
    const answer = await this.#call(this.#methods.fetchKeys, {}, terms).catch(
      during(`${at}: while getting externally supported jwt signing keys`),
    );
    const keys = await Promise.resolve(answer).then(keysIn).catch(during(at));
    this.#known = { keys, refreshMs: this.#clock.now() + answer.refresh_hint_seconds * 1000 };
    return answer.data_timestamp!.seconds + answer.data_timestamp!.nanos / 1e9;
  }

  async #call<Request extends object, Response extends object>(
    method: MethodDefinition<Request, Response>,
    request: Request,
    terms: CallTerms,
  ): Promise<Response> {
    const beganMs = this.#clock.monotonicMs();
    const took = (code: string) => this.counts.called(method.path, code, this.#clock.monotonicMs() - beganMs);
    try {
      const answer = await this.#socket.call(method, request, terms);
      took('OK');
      return answer;
    } catch (error) {
      took(codeOf(error));
      throw error;
    }
  }

  #refreshAt(dueMs: number): void {
    if (this.#isClosed) return;
    this.#timer = this.#clock.timer(Math.max(0, dueMs - this.#clock.now()), () => {
      this.#refresh().then(
        () => this.#refreshAt(this.#known.refreshMs),
        (error: unknown) => {
          if (this.#isClosed) return;
          this.#log.warn('keys for tokens of ServiceAccounts stay as they were', { error: String(error) });
          this.#refreshAt(this.#clock.now() + FALLBACK_REFRESH_MS);
        },
      );
    });
  }
}

const during =
  (what: string) =>
  (error: Error): never => {
    throw new Error(`${what}: ${error.message}`, { cause: error });
  };

/** The id of the key. Throws what is wrong with the header of a token that came from outside. */
function checkedHeader(text: string): string {
  const header = headerIn(text);
  for (const name of Object.keys(header))
    if (name !== 'alg' && name !== 'kid' && name !== 'typ')
      throw new Error(`while parsing header JSON: json: unknown field ${JSON.stringify(name)}`);
  const { alg, kid, typ } = header;
  if (typ !== 'JWT') throw new Error('bad type');
  if (typeof kid !== 'string' || kid === '') throw new Error('key id missing');
  if (kid.length > MAX_KEY_ID_LENGTH) throw new Error('key id longer than 1 kb');
  if (!SIGNING_ALGORITHMS.has(alg)) throw new Error(`bad signing algorithm ${JSON.stringify(alg ?? '')}`);
  return kid;
}

function headerIn(text: string): Record<string, unknown> {
  if (!/^[\w-]*$/.test(text)) throw new Error('while unwrapping header: illegal base64 data');
  try {
    const header: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
    if (isJsonObject(header)) return header;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new Error('while parsing header JSON: it is no object');
}

/** Throws what is wrong with them. */
function keysIn({ keys, data_timestamp: takenAt, refresh_hint_seconds: hint }: FetchedKeys): VerificationKey[] {
  if (hint <= 0) throw new Error(`found invalid refresh hint (${hint}s)`);
  if (keys.length === 0) throw new Error('found no keys');
  if (!takenAt) throw new Error('invalid data timestamp: proto: invalid nil Timestamp');
  return keys.map(({ key_id: id, key: der, exclude_from_oidc_discovery: isHidden }) => {
    if (id === '' || id.length > MAX_KEY_ID_LENGTH)
      throw new Error(`found invalid public key id ${JSON.stringify(id)}`);
    if (der.length === 0) throw new Error('found empty public key');
    return { id, key: publicKeyOf(der), isHidden };
  });
}

function publicKeyOf(der: Buffer): VerificationKey['key'] {
  try {
    const key = createPublicKey({ key: der, format: 'der', type: 'spki' });
    if (algorithmOf(key)) return key;
    throw new Error('of a kind that is not taken');
  } catch (error) {
    throw new Error(`while parsing external public keys: ${(error as Error).message}`);
  }
}
