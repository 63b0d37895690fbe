import { describe, expect, it } from '@jest/globals';
import { judge } from './attempt-rules.js';
import type { SendResult } from './webhook-exchange.js';

const once: readonly number[] = [];

function answer(statusCode: number, retryAfterSeconds?: number): SendResult {
  return {
    outcome: 'http_status',
    statusCode,
    durationMs: 3,
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
  };
}

describe('a delivery whose schedule is used up', () => {
  it.each([500, 502, 504, 404])('is dead after %d', (status) => {
    expect(judge(answer(status), 1, once, 0.5)).toMatchObject({ status: 'dead' });
  });

  it('is put off by an answer that only asks for time, for as long as it asks', () => {
    expect(judge(answer(429, 300), 1, once, 0)).toMatchObject({
      status: 'failed',
      retryInSeconds: 300,
    });
    expect(judge(answer(429), 1, once, 0)).toMatchObject({ status: 'failed', retryInSeconds: 60 });
    expect(judge(answer(503, 90), 1, once, 0)).toMatchObject({ retryInSeconds: 90 });
    expect(judge(answer(503), 1, once, 0)).toMatchObject({ status: 'dead' });
  });

  it('waits for the day its endpoint is enabled after 410, and for a hub that can send', () => {
    expect(judge(answer(410), 1, once, 0)).toMatchObject({
      status: 'failed',
      standing: { isGone: true },
    });
    expect(judge(undefined, 1, once, 0)).toMatchObject({ status: 'failed', standing: {} });
  });

  it('is not put off for ever', () => {
    expect(judge(answer(429, 1), 20, once, 0)).toMatchObject({ status: 'failed' });
    expect(judge(answer(429, 1), 21, once, 0)).toMatchObject({ status: 'dead' });
  });
});
