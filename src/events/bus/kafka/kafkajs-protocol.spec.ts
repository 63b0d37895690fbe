import { createRequire } from 'node:module';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import type { Message } from 'kafkajs';
import { useFastCodecs } from './kafkajs-protocol.js';
import { decodeFetch } from './record-decoder.js';
import { encodeProduce, type ProduceOptions } from './record-encoder.js';

/*
 * The hub's codecs against the library's own, which they replace: the same bytes out, the same messages in.
 */
const require = createRequire(import.meta.url);
const from = (path: string) => require(`kafkajs/src/protocol/${path}.js`);
const ownProduce = from('requests/produce/v7/request');
const ownFetch = from('requests/fetch/v11/response');
const Encoder = from('encoder');
const Record = from('recordBatch/record/v0/index');
const { RecordBatch } = from('recordBatch/v0/index');
const Long = require('kafkajs/src/utils/long.js');

beforeAll(() => {
  jest.spyOn(Date, 'now').mockReturnValue(1_772_980_200_123);
});
afterAll(() => {
  jest.restoreAllMocks();
});

const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const text = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.string({ unit: 'grapheme', maxLength: 150 }),
);
const message: fc.Arbitrary<Message> = fc.record({
  key: fc.oneof(text, bytes, fc.constant(null)),
  value: fc.oneof(text, bytes, fc.constant(null)),
  headers: fc.oneof(
    fc.constant(undefined),
    fc.dictionary(text, fc.oneof(text, bytes), { maxKeys: 20, noNullPrototype: true }),
  ),
});
const messages = fc.array(message, { minLength: 1, maxLength: 80 });
/** The library's side takes its time. */
const runs = { numRuns: 40 };

function optionsFor(partitions: Message[][], more: Partial<ProduceOptions> = {}): ProduceOptions {
  return {
    acks: -1,
    timeout: 1500,
    producerId: Long.fromValue('9007199254740993'),
    producerEpoch: 3,
    topicData: [
      {
        topic: 'practice.events.ü',
        partitions: partitions.map((list, partition) => ({
          partition,
          firstSequence: 70_000 * partition,
          messages: list,
        })),
      },
    ],
    ...more,
  };
}

const ownBytes = async (options: ProduceOptions): Promise<Buffer> =>
  (await ownProduce(options).encode()).buffer;

describe('encodeProduce', () => {
  it('writes the bytes that the library writes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(messages, { minLength: 1, maxLength: 4 }), async (partitions) => {
        const options = optionsFor(partitions);
        expect(encodeProduce(options)!.equals(await ownBytes(options))).toBe(true);
      }),
      runs,
    );
  });

  it('grows with large and with many records', async () => {
    const large = [
      { key: 'k', value: Buffer.alloc(300_000, 'x'), headers: { a: 'ü'.repeat(9000) } },
    ];
    const many = Array.from({ length: 3000 }, (_, i) => ({
      key: `${i}`,
      value: 'y'.repeat(i % 99),
    }));
    const options = optionsFor([large, many]);
    expect(encodeProduce(options)!.equals(await ownBytes(options))).toBe(true);
  });

  it('leaves to the library what the hub never sends', () => {
    const plain = { key: 'k', value: 'v' };
    expect(encodeProduce(optionsFor([[plain]], { compression: 1 }))).toBeUndefined();
    expect(encodeProduce(optionsFor([[plain]], { transactionalId: 't' }))).toBeUndefined();
    expect(encodeProduce(optionsFor([[{ ...plain, timestamp: '5' }]]))).toBeUndefined();
    expect(encodeProduce(optionsFor([[{ ...plain, headers: { a: ['1', '2'] } }]]))).toBeUndefined();
  });
});

interface Batch {
  messages: Message[];
  firstOffset: number;
  deltas: number[];
  transactional: boolean;
}

const batch: fc.Arbitrary<Batch> = fc.record({
  messages,
  firstOffset: fc.nat({ max: 2 ** 31 - 1 }),
  deltas: fc.array(fc.nat({ max: 2 ** 40 }), { minLength: 80, maxLength: 80 }),
  transactional: fc.boolean(),
});

/** As a broker answers with them; `cut` leaves out bytes at the end of the records. */
async function answerWith(batches: readonly Batch[], cut = 0, compression = 0): Promise<Buffer> {
  const set = new Encoder();
  for (const { messages: list, firstOffset, deltas, transactional } of batches) {
    const records = list.map((item, i) => {
      const headers = Object.fromEntries(
        Object.entries(item.headers ?? {}).map(([name, value]) => [name, value]),
      );
      return Record({ ...item, headers, offsetDelta: i, timestampDelta: deltas[i] });
    });
    set.writeEncoder(
      await RecordBatch({
        records,
        compression,
        transactional,
        firstOffset: Long.fromValue(firstOffset),
        lastOffsetDelta: list.length - 1,
        producerId: Long.fromValue(77),
        firstSequence: 5,
      }),
    );
  }
  const records = set.buffer.subarray(0, set.buffer.length - cut);
  const partition = (number: number, aborted: number[], content: Buffer) =>
    new Encoder()
      .writeInt32(number)
      .writeInt16(0)
      .writeInt64(900)
      .writeInt64(899)
      .writeInt64(2)
      .writeArray(aborted.map((id) => new Encoder().writeInt64(id).writeInt64(id + 1)))
      .writeInt32(-1)
      .writeInt32(content.length)
      .writeBuffer(content);
  return new Encoder()
    .writeInt32(30)
    .writeInt16(0)
    .writeInt32(7)
    .writeArray([
      new Encoder()
        .writeString('practice.events.ü')
        .writeArray([
          partition(0, [], Buffer.alloc(0)),
          partition(1, [4, 5], records),
          partition(2, [], records),
        ]),
    ]).buffer;
}

describe('decodeFetch', () => {
  it('reads what the library reads', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(batch, { maxLength: 3 }), fc.nat(40), async (batches, cut) => {
        const answer = await answerWith(batches, batches.length > 0 ? cut : 0);
        const read = decodeFetch(answer);
        if (read) expect(read).toEqual(await ownFetch.decode(answer));
        else expect(String(answer)).toContain('__proto__');
      }),
      runs,
    );
  });

  it('leaves compressed records, and what it cannot read, to the library', async () => {
    const one = { messages: [{ value: 'v' }], firstOffset: 0, deltas: [0], transactional: false };
    const compressed = await answerWith([one], 0, 1);
    expect(decodeFetch(compressed)).toBeUndefined();
    expect(decodeFetch((await answerWith([one])).subarray(0, 60))).toBeUndefined();
    const read = await ownFetch.decode(compressed);
    expect(String(read.responses[0].partitions[1].messages[0].value)).toBe('v');
  });
});

describe('useFastCodecs', () => {
  const { requests } = from('requests/index');

  it('puts them in the place of the library’s, once', async () => {
    useFastCodecs();
    const { protocol } = requests.Produce;
    useFastCodecs();
    expect(requests.Produce.protocol).toBe(protocol);
    const options = optionsFor([[{ key: 'k', value: 'v' }]]);
    const { request } = protocol({ version: 7 })(options);
    expect(request).toMatchObject({ apiName: 'Produce', apiVersion: 7 });
    expect((await request.encode()).buffer.equals(await ownBytes(options))).toBe(true);
    const compressed = optionsFor([[{ key: 'k', value: 'v' }]], { compression: 1 });
    const { request: large } = protocol({ version: 7 })(compressed);
    expect((await large.encode()).buffer.equals(await ownBytes(compressed))).toBe(true);
  });
});
