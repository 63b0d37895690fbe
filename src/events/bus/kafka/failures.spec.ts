import { describe, expect, it } from '@jest/globals';
import { Writable } from 'node:stream';
import {
  KafkaJSConnectionError,
  KafkaJSNumberOfRetriesExceeded,
  KafkaJSProtocolError,
} from 'kafkajs';
import { Logger } from '../../../platform/logger.js';
import { Failures, nameOf } from './failures.js';

const passing = new KafkaJSConnectionError('refused', { code: 'ECONNREFUSED' } as never);
const denied = Object.assign(
  new KafkaJSProtocolError({ message: 'no', retriable: false } as never),
  { type: 'TOPIC_AUTHORIZATION_FAILED' },
);

function failuresWithLog(): { failures: Failures; levels: number[] } {
  const levels: number[] = [];
  const stream = new Writable({
    write: (chunk, _, done) => {
      levels.push(JSON.parse(String(chunk)).level);
      done();
    },
  });
  return { failures: new Failures(new Logger('debug', stream), { group: 'g' }), levels };
}

const [debug, info, warn] = [20, 30, 40];

describe('failures in a row', () => {
  it('are said once, and not at the first contact', () => {
    const { failures, levels } = failuresWithLog();
    for (let i = 0; i < 4; i += 1) failures.add(passing, 'no');
    failures.clear();
    failures.clear();
    expect(levels).toEqual([info, warn, debug, debug, info]);
  });

  it('are said at once where another try is no help', () => {
    const { failures, levels } = failuresWithLog();
    failures.add(denied, 'no');
    failures.add(denied, 'no');
    expect(levels).toEqual([warn, debug]);
  });

  it('make the pauses longer, up to four seconds', () => {
    const { failures } = failuresWithLog();
    const pauses = Array.from({ length: 7 }, () => failures.add(passing, 'no'));
    expect(pauses).toEqual([250, 500, 1000, 2000, 4000, 4000, 4000]);
    failures.clear();
    expect(failures.add(passing, 'no')).toBe(250);
  });
});

describe('the name of a failure', () => {
  it('is that of its innermost cause', () => {
    const exceeded = new KafkaJSNumberOfRetriesExceeded(passing, { retryCount: 1, retryTime: 1 });
    expect(nameOf(exceeded)).toBe('ECONNREFUSED');
    expect(nameOf(denied)).toBe('TOPIC_AUTHORIZATION_FAILED');
    expect(nameOf(Object.assign(new Error(), { errors: [denied] }))).toBe(
      'TOPIC_AUTHORIZATION_FAILED',
    );
    expect(nameOf(new TypeError('x'))).toBe('TypeError');
    expect(nameOf(undefined)).toBe('Error');
  });
});
