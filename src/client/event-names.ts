/** What an Event is called. Source: client-go, GenerateEventName. */
import type { ObjectReference } from '#api/generated/schema.ts';
import { dns1123Subdomain } from '#api/machinery/names.ts';
import type { Clock } from '#base/clock.ts';
import { sha256 } from '#base/sha256.ts';

export class EventNames {
  readonly #clock: Clock;
  readonly #speaker: string;
  /** Keeps two apart that speak of one object in the same millisecond. Made with the first name: most never speak. */
  #ownNanos: bigint | undefined;
  #lastNanos = 0n;

  constructor(clock: Clock, speaker: string) {
    this.#clock = clock;
    this.#speaker = speaker;
  }

  /**
   * The object's name and the time in nanoseconds, as hexadecimal digits; two of the same instant are told apart. Of an object
   * whose name would make that no name of an Event: a UUID.
   */
  next({ name = '' }: ObjectReference): string {
    this.#ownNanos ??= BigInt(Number.parseInt(sha256(this.#speaker).slice(0, 8), 16) % 1_000_000);
    const nanos = BigInt(Math.floor(this.#clock.now())) * 1_000_000n + this.#ownNanos;
    this.#lastNanos = nanos > this.#lastNanos ? nanos : this.#lastNanos + 1n;
    const plain = `${name}.${this.#lastNanos.toString(16)}`;
    return dns1123Subdomain(plain).length === 0 ? plain : uuidOf(plain);
  }
}

/** Of version 8: made of the text. */
function uuidOf(text: string): string {
  const digits = sha256(text);
  return [
    digits.slice(0, 8),
    digits.slice(8, 12),
    `8${digits.slice(13, 16)}`,
    `8${digits.slice(17, 20)}`,
    digits.slice(20, 32),
  ].join('-');
}
