/**
 * Which answers' bodies a caller wants to see the beginning of. `failed`: those with another status than 2xx, for
 * the partner who mends its side. `always`: 2xx too, for a challenge whose proof is in the answer.
 */
export type KeepResponse = 'failed' | 'always';

/** A body may echo the patient data it was sent: enough to recognise an error message, no more. */
export const MAX_SNIPPET_BYTES = 1024;

/**
 * The beginning of a body, collected while it passes by. Copies, because a chunk is a view of a socket's buffer that
 * would stay in memory with it.
 */
export class ResponseSnippet {
  private readonly bytes = Buffer.allocUnsafe(MAX_SNIPPET_BYTES);
  private length = 0;

  add(chunk: Buffer): void {
    this.length += chunk.copy(this.bytes, this.length);
  }

  /**
   * What was collected as text that can be stored and shown: UTF-8, a character that the cap cut in two left out, what
   * is not UTF-8 and every control character but line feed and tab (NUL, which PostgreSQL refuses, escape sequences of
   * terminals) as U+FFFD. Undefined for an empty body.
   */
  text(): string | undefined {
    if (this.length === 0) return undefined;
    // `stream` leaves out the beginning of a character at the end instead of replacing it.
    return new TextDecoder()
      .decode(this.bytes.subarray(0, this.length), { stream: true })
      .replaceAll('\r\n', '\n')
      .replaceAll(/(?![\n\t])\p{Cc}/gu, '\ufffd');
  }
}
