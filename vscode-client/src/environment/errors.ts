/** What goes wrong on the way to a running server, told in one sentence that says what to do. */

/** A button beside the sentence. */
export interface Remedy {
  title: string;
  command: string;
  arguments?: unknown[];
}

/** There is no server. Its message is for the user; details belong into the log. */
export class ServerUnavailable extends Error {
  override readonly name = 'ServerUnavailable';

  constructor(
    sentence: string,
    readonly remedies: readonly Remedy[] = [],
  ) {
    super(sentence);
  }
}
