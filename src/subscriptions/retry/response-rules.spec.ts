import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  classifyResponse,
  MAX_RETRY_AFTER_SECONDS,
  mayAskToWait,
  retryAfterSeconds,
} from './response-rules.js';

const now = new Date('2026-03-08T14:30:00.000Z');

describe('classifyResponse', () => {
  it('takes 2xx, and only 2xx, for a success', () => {
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 999 }), (status) => {
        const succeeded = classifyResponse(status).result === 'succeeded';
        expect(succeeded).toBe(Math.floor(status / 100) === 2);
      }),
    );
  });

  it('fails a redirect as a redirect and the rest by its status', () => {
    for (const status of [300, 301, 302, 303, 304, 307, 308, 399]) {
      expect(classifyResponse(status)).toEqual({ result: 'failed', reason: 'redirect' });
    }
    for (const status of [199, 400, 401, 404, 408, 409, 411, 500, 501, 505, 599]) {
      expect(classifyResponse(status)).toEqual({ result: 'failed', reason: 'http_status' });
    }
  });

  it('lets 410 disable the endpoint', () => {
    const gone = { result: 'failed', reason: 'gone', effect: 'disable' };
    expect(classifyResponse(410)).toEqual(gone);
  });

  it('lets an overloaded receiver or gateway slow the endpoint down, and nothing else', () => {
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 999 }), (status) => {
        const answer = classifyResponse(status);
        const throttles = answer.result === 'failed' && answer.effect === 'throttle';
        expect(throttles).toBe([429, 502, 503, 504].includes(status));
      }),
    );
  });
});

describe('mayAskToWait', () => {
  it('is for 429 and 503 only', () => {
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 999 }), (status) => {
        expect(mayAskToWait(status)).toBe(status === 429 || status === 503);
      }),
    );
  });
});

describe('retryAfterSeconds', () => {
  it('reads seconds', () => {
    expect(retryAfterSeconds('120', now)).toBe(120);
    expect(retryAfterSeconds(' 0 ', now)).toBe(0);
    expect(retryAfterSeconds(['30', '60'], now)).toBe(30);
  });

  it('reads the three forms of an HTTP date', () => {
    expect(retryAfterSeconds('Sun, 08 Mar 2026 14:31:30 GMT', now)).toBe(90);
    expect(retryAfterSeconds('Sunday, 08-Mar-26 14:31:30 GMT', now)).toBe(90);
    expect(retryAfterSeconds('Sun Mar  8 14:31:30 2026', now)).toBe(90);
  });

  it('takes a date in the past for "now"', () => {
    expect(retryAfterSeconds('Sun, 06 Nov 1994 08:49:37 GMT', now)).toBe(0);
  });

  it('rounds up, so that an attempt is not earlier than asked', () => {
    const almost = new Date(now.getTime() + 1);
    expect(retryAfterSeconds('Sun, 08 Mar 2026 14:30:01 GMT', almost)).toBe(1);
  });

  it('cuts what is longer than a day', () => {
    for (const long of ['86401', '9'.repeat(400), 'Fri, 01 Jan 2100 00:00:00 GMT']) {
      expect(retryAfterSeconds(long, now)).toBe(MAX_RETRY_AFTER_SECONDS);
    }
  });

  it('ignores what it cannot read', () => {
    for (const header of [undefined, null, '', ' ', '-1', '1.5', '1e3', 'soon', '2026-03-09', []]) {
      expect(retryAfterSeconds(header, now)).toBeUndefined();
    }
  });

  it('is a number between 0 and a day, or nothing, for any text', () => {
    fc.assert(
      fc.property(fc.string(), (header) => {
        const seconds = retryAfterSeconds(header, now);
        if (seconds === undefined) return;
        expect(Number.isInteger(seconds)).toBe(true);
        expect(seconds).toBeGreaterThanOrEqual(0);
        expect(seconds).toBeLessThanOrEqual(MAX_RETRY_AFTER_SECONDS);
      }),
    );
  });

  it('comes back from a formatted date', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: MAX_RETRY_AFTER_SECONDS }), (seconds) => {
        const header = new Date(now.getTime() + seconds * 1000).toUTCString();
        expect(retryAfterSeconds(header, now)).toBe(seconds);
      }),
    );
  });
});
