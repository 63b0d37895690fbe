import { invalidParameter } from '../http/problem.js';

/** The header that names the human for whom an application or partner calls. */
export const onBehalfOfHeader = 'hub-on-behalf-of';

const most = 200;
/** ASCII as it is, everything else percent-encoded UTF-8 (RFC 3986, section 2.1): other letters do not survive HTTP. */
const wire = /^(?:[\x20-\x24\x26-\x7e]|%[0-9A-Fa-f]{2})+$/;
// Neither control characters, nor what turns the reading direction or hides: a name in an audit reads as it was written.
const hidden = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/u;

/**
 * Whom the header names, decoded and trimmed; undefined where it is absent.
 * @throws Problem 422 for one that is empty, longer than 200 characters, or not printable.
 */
export function readOnBehalfOf(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  const text = Array.isArray(header) ? undefined : decoded(header)?.trim();
  if (!text || text.length > most || hidden.test(text)) {
    throw invalidParameter(
      'Hub-On-Behalf-Of',
      'malformed_name',
      `Hub-On-Behalf-Of must be 1 to ${most} printable characters; what is not ASCII, and "%", percent-encoded as UTF-8.`,
    );
  }
  return text;
}

function decoded(header: string): string | undefined {
  if (!wire.test(header)) return undefined;
  try {
    return decodeURIComponent(header);
  } catch {
    // Bytes that are no UTF-8.
    return undefined;
  }
}
