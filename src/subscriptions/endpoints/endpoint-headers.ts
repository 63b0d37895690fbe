import type { ProblemError } from '../../platform/http/problem.js';
import { escaped } from './endpoint-settings.js';

/** What is shown in the place of a header's value that may open something at the receiver. */
export const headerMask = '********';

const credential = /authorization|token|key|secret|cookie|password/i;

type Headers = Record<string, string>;

/** An owner's headers as they may be shown: whoever reads the endpoint need not be able to call its receiver. Pure. */
export function maskedHeaders(headers: Headers | null): Headers | null {
  return (
    headers &&
    Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [
        name,
        credential.test(name) ? headerMask : value,
      ]),
    )
  );
}

/** Headers as they are to be from now on: what comes back as it was shown keeps its value. Pure. */
export function keptHeaders(wanted: Headers | null, current: Headers | null): Headers | null {
  return (
    wanted &&
    Object.fromEntries(
      Object.entries(wanted).map(([name, value]) => [
        name,
        isMasked(name, value) ? (current?.[name] ?? value) : value,
      ]),
    )
  );
}

/** A mask where there is no value to keep: the owner would send the mask itself. Pure. */
export function maskErrors(wanted: Headers, current: Headers | null): ProblemError[] {
  return Object.entries(wanted).flatMap(([name, value]) =>
    isMasked(name, value) && current?.[name] === undefined
      ? {
          pointer: `/headers/${escaped(name)}`,
          code: 'masked_header',
          detail:
            'This is how a value is shown that is kept secret, and none is kept here. Give it.',
        }
      : [],
  );
}

function isMasked(name: string, value: string): boolean {
  return value === headerMask && credential.test(name);
}
