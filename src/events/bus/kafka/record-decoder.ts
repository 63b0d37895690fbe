import type { IHeaders } from 'kafkajs';

/** What the library makes of a fetch response. */
export interface FetchResponse {
  throttleTime: 0;
  clientSideThrottleTime: number;
  errorCode: number;
  sessionId: number;
  responses: { topicName: string; partitions: FetchedPartition[] }[];
}

/** A message as the library hands it on. */
interface FetchedRecord {
  magicByte: number;
  attributes: number;
  timestamp: string;
  offset: string;
  key: Buffer | null;
  value: Buffer | null;
  headers: IHeaders;
  isControlRecord: boolean;
  batchContext: BatchContext;
}

interface FetchedPartition {
  partition: number;
  errorCode: number;
  highWatermark: string;
  lastStableOffset: string;
  lastStartOffset: string;
  abortedTransactions: { producerId: string; firstOffset: string }[];
  preferredReadReplica: number;
  messages: FetchedRecord[];
}

interface BatchContext {
  firstOffset: string;
  firstTimestamp: string;
  partitionLeaderEpoch: number;
  inTransaction: boolean;
  isControlBatch: boolean;
  lastOffsetDelta: number;
  producerId: string;
  producerEpoch: number;
  firstSequence: number;
  maxTimestamp: string;
  timestampType: number;
  magicByte: number;
}

/** Where a batch of records says in which format the rest of it is written. */
const formatAt = 16;
const recordFormat = 2;
/** A batch without records; what is shorter is the cut end of a response. */
const smallestBatch = 49;
const appendTimeType = 1;
const [codecMask, appendTime, transactional, control] = [0x7, 0x8, 0x10, 0x20];

/** Thrown for what is left to the library's own decoder, what is broken too. */
class NotOurs extends Error {}

/**
 * A response to a fetch of version 11 (https://kafka.apache.org/protocol#The_Messages_Fetch). Undefined where it holds compressed records or a former format's, or cannot be read.
 */
export function decodeFetch(bytes: Buffer): FetchResponse | undefined {
  try {
    const input = new Input(bytes);
    const [clientSideThrottleTime, errorCode, sessionId] = [
      input.int32(),
      input.int16(),
      input.int32(),
    ];
    const responses = input.array(() => ({
      topicName: input.text(input.int16()),
      partitions: input.array(() => readPartition(input)),
    }));
    // The client does the throttling itself that the broker asks for.
    return { throttleTime: 0, clientSideThrottleTime, errorCode, sessionId, responses };
  } catch {
    return undefined;
  }
}

function readPartition(input: Input): FetchedPartition {
  return {
    partition: input.int32(),
    errorCode: input.int16(),
    highWatermark: input.int64(),
    lastStableOffset: input.int64(),
    lastStartOffset: input.int64(),
    abortedTransactions: input.array(() => ({
      producerId: input.int64(),
      firstOffset: input.int64(),
    })),
    preferredReadReplica: input.int32(),
    messages: readBatches(input),
  };
}

function readBatches(input: Input): FetchedRecord[] {
  const size = input.int32();
  if (size <= 0) return [];
  const end = input.at + size;
  const records: FetchedRecord[] = [];
  while (input.at + smallestBatch <= end) {
    if (input.bytes[input.at + formatAt] !== recordFormat) throw new NotOurs();
    const firstOffset = input.bigint();
    const length = input.int32();
    const endOfBatch = input.at + length;
    // The broker cuts where the limit of the fetch is.
    if (endOfBatch > end) break;
    readBatch(input, firstOffset, endOfBatch, records);
    input.at = endOfBatch;
  }
  input.at = end;
  return records;
}

function readBatch(
  input: Input,
  firstOffset: bigint,
  endOfBatch: number,
  records: FetchedRecord[],
): void {
  const partitionLeaderEpoch = input.int32();
  const magicByte = input.int8();
  // The checksum, which the library does not verify either: TCP has one, and the broker has verified this one.
  input.at += 4;
  const attributes = input.int16();
  if (attributes & codecMask) throw new NotOurs();
  const lastOffsetDelta = input.int32();
  const [firstTimestamp, maxTimestamp] = [input.bigint(), input.bigint()];
  const context: BatchContext = {
    firstOffset: String(firstOffset),
    firstTimestamp: String(firstTimestamp),
    partitionLeaderEpoch,
    inTransaction: (attributes & transactional) > 0,
    isControlBatch: (attributes & control) > 0,
    lastOffsetDelta,
    producerId: input.int64(),
    producerEpoch: input.int16(),
    firstSequence: input.int32(),
    maxTimestamp: String(maxTimestamp),
    timestampType: (attributes & appendTime) > 0 ? appendTimeType : 0,
    magicByte,
  };
  const first = Number(firstOffset);
  for (let count = input.int32(); count > 0; count--) {
    const length = input.varint();
    const end = input.at + length;
    if (length < 0 || end > endOfBatch) throw new NotOurs();
    records.push(readRecord(input, first, firstTimestamp, context));
    if (input.at !== end) throw new NotOurs();
  }
}

function readRecord(
  input: Input,
  firstOffset: number,
  firstTimestamp: bigint,
  context: BatchContext,
): FetchedRecord {
  const attributes = input.int8();
  const delta = input.varlong();
  const hasOwnTime = delta !== 0n && context.timestampType !== appendTimeType;
  return {
    magicByte: context.magicByte,
    attributes,
    timestamp: hasOwnTime ? String(firstTimestamp + delta) : timeOf(context),
    offset: String(firstOffset + input.varint()),
    key: input.bytesOrNull(),
    value: input.bytesOrNull(),
    headers: readHeaders(input),
    isControlRecord: context.isControlBatch,
    batchContext: context,
  };
}

function timeOf({ timestampType, firstTimestamp, maxTimestamp }: BatchContext): string {
  return timestampType === appendTimeType ? maxTimestamp : firstTimestamp;
}

function readHeaders(input: Input): IHeaders {
  const headers: IHeaders = {};
  const count = input.varint();
  for (let i = 0; i < count; i++) {
    const name = input.name(i);
    // The library passes null on where its types have none.
    const value = input.bytesOrNull() as Buffer;
    const former = headers[name];
    if (former === undefined) headers[name] = value;
    else headers[name] = Array.isArray(former) ? [...former, value] : [former as Buffer, value];
  }
  return headers;
}

const mostNames = 50;

class Input {
  at = 0;
  /** Names by their place in a record: the next record has the same ones, as a rule. */
  private readonly names: { text: string; bytes: Buffer }[] = [];

  constructor(readonly bytes: Buffer) {}

  int8(): number {
    return this.bytes.readInt8(this.at++);
  }

  int16(): number {
    this.at += 2;
    return this.bytes.readInt16BE(this.at - 2);
  }

  int32(): number {
    this.at += 4;
    return this.bytes.readInt32BE(this.at - 4);
  }

  int64(): string {
    return String(this.bigint());
  }

  bigint(): bigint {
    this.at += 8;
    return this.bytes.readBigInt64BE(this.at - 8);
  }

  varint(): number {
    let value = 0;
    let shift = 0;
    let byte: number;
    do {
      byte = this.bytes[this.at++]!;
      value |= (byte & 0x7f) << shift;
      shift += 7;
    } while (byte > 0x7f && shift < 35);
    return (value >>> 1) ^ -(value & 1);
  }

  varlong(): bigint {
    // Nearly always none or a few milliseconds.
    if (this.bytes[this.at]! < 0x80) return BigInt(this.varint());
    let value = 0n;
    let shift = 0n;
    let byte: number;
    do {
      byte = this.bytes[this.at++]!;
      value |= BigInt(byte & 0x7f) << shift;
      shift += 7n;
    } while (byte > 0x7f && shift < 70n);
    return (value >> 1n) ^ -(value & 1n);
  }

  bytesOrNull(): Buffer | null {
    const size = this.varint();
    if (size < 0) return null;
    this.at += size;
    return this.bytes.subarray(this.at - size, this.at);
  }

  text(size: number): string {
    this.at += size;
    return this.bytes.toString('utf8', this.at - size, this.at);
  }

  name(place: number): string {
    const size = this.varint();
    const known = this.names[place];
    if (known && this.isNext(known.bytes, size)) {
      this.at += size;
      return known.text;
    }
    const bytes = this.bytes.subarray(this.at, this.at + size);
    const text = this.text(size);
    // No name to set on an object of ours.
    if (text === '__proto__') throw new NotOurs();
    if (place < mostNames) this.names[place] = { text, bytes };
    return text;
  }

  private isNext(bytes: Buffer, size: number): boolean {
    if (bytes.length !== size) return false;
    for (let i = 0; i < size; i++) if (bytes[i] !== this.bytes[this.at + i]) return false;
    return true;
  }

  array<T>(read: () => T): T[] {
    const items: T[] = [];
    for (let count = this.int32(); count > 0; count--) items.push(read());
    return items;
  }
}
