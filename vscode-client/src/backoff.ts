/**
 * How long to wait before a server that ended is started again.
 *
 * A server that ends again and again is given up, so that it neither heats the machine nor floods the log.
 */

/** Seconds before the first, second, ... start after an end: at once for a stray crash, then with growing pauses. */
const PAUSES = [0.5, 2, 5, 15, 30];
/** Seconds without a crash after which the past is forgotten. */
const FORGET = 180;

export class Backoff {
  private ends: number[] = [];

  /** `now` gives seconds. */
  constructor(private readonly now: () => number = () => Date.now() / 1000) {}

  /** Note that the server ended. Return the seconds to wait, undefined when it is to be given up. */
  next(): number | undefined {
    const now = this.now();
    const last = this.ends.at(-1);
    if (last !== undefined && now - last > FORGET) {
      this.ends = [];
    }
    this.ends.push(now);
    return PAUSES[this.ends.length - 1];
  }

  /** Forget the past, because somebody asked for a start. */
  reset(): void {
    this.ends = [];
  }
}
