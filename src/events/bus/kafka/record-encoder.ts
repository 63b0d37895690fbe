import { createRequire } from 'node:module';
import type { Message } from 'kafkajs';

const require = createRequire(import.meta.url);
const crc32c = require('kafkajs/src/protocol/recordBatch/crc32C/index.js') as (b: Buffer) => number;

/** The arguments of a produce request, as the library makes it. */
export interface ProduceOptions {
  acks: number;
  timeout: number;
  compression?: number;
  transactionalId?: string | null;
  /** The library's own 64-bit integer. */
  producerId?: { toString(): string };
  producerEpoch?: number;
  topicData: {
    topic: string;
    partitions: { partition: number; firstSequence?: number; messages: Message[] }[];
  }[];
}

const recordFormat = 2;
/** Names of headers come again with every record. */
const namesInBytes = new Map<string, Buffer>();
const mostNames = 100;

/**
 * The body of a produce request, versions 3 to 8 (https://kafka.apache.org/protocol#The_Messages_Produce), written
 * into one buffer. Undefined for what the hub does not do: compression, transactions, times of one's own.
 */
export function encodeProduce(options: ProduceOptions): Buffer | undefined {
  const { acks, timeout, compression, transactionalId, topicData } = options;
  if (compression || transactionalId) return undefined;
  const out = new Bytes();
  out.int16(-1);
  out.int16(acks);
  out.int32(timeout);
  out.int32(topicData.length);
  for (const { topic, partitions } of topicData) {
    out.int16(Buffer.byteLength(topic));
    out.raw(Buffer.from(topic));
    out.int32(partitions.length);
    for (const { partition, firstSequence = 0, messages } of partitions) {
      if (!messages.every(isPlain)) return undefined;
      out.int32(partition);
      const sizeAt = out.skip(4);
      const from = out.length;
      writeBatch(out, options, firstSequence, messages);
      out.int32At(sizeAt, out.length - from);
    }
  }
  return out.written();
}

function isPlain({ timestamp, headers = {} }: Message): boolean {
  if (timestamp !== undefined) return false;
  for (const name in headers) {
    const value = headers[name];
    if (typeof value !== 'string' && !Buffer.isBuffer(value)) return false;
  }
  return true;
}

function writeBatch(
  out: Bytes,
  { producerId, producerEpoch = 0 }: ProduceOptions,
  firstSequence: number,
  messages: readonly Message[],
): void {
  const now = BigInt(Date.now());
  out.int64(0n);
  const lengthAt = out.skip(4);
  out.int32(0);
  out.int8(recordFormat);
  const checksumAt = out.skip(4);
  const checkedFrom = out.length;
  out.int16(0);
  out.int32(messages.length - 1);
  out.int64(now);
  out.int64(now);
  out.int64(BigInt(String(producerId ?? -1)));
  out.int16(producerEpoch);
  out.int32(firstSequence);
  out.int32(messages.length);
  messages.forEach((message, offset) => writeRecord(out, message, offset));
  out.int32At(lengthAt, out.length - lengthAt - 4);
  out.int32At(checksumAt, crc32c(out.since(checkedFrom)));
}

function writeRecord(out: Bytes, { key, value, headers = {} }: Message, offset: number): void {
  const from = out.length;
  out.int8(0);
  out.varint(0);
  out.varint(offset);
  out.bytes(key ?? null);
  out.bytes(value);
  const names = Object.keys(headers);
  out.varint(names.length);
  for (const name of names) {
    out.bytes(inBytes(name));
    out.bytes(headers[name] as Buffer | string);
  }
  out.prefixVarint(from);
}

function inBytes(name: string): Buffer {
  let bytes = namesInBytes.get(name);
  if (!bytes) {
    bytes = Buffer.from(name);
    if (namesInBytes.size < mostNames) namesInBytes.set(name, bytes);
  }
  return bytes;
}

const longestVarint = 5;
/** Copied character by character up to here: shorter than the way to a native function. */
const shortText = 48;

/** Grows as it is written to. */
class Bytes {
  length = 0;
  private buffer = Buffer.allocUnsafe(64 * 1024);

  written(): Buffer {
    return this.buffer.subarray(0, this.length);
  }

  since(from: number): Buffer {
    return this.buffer.subarray(from, this.length);
  }

  /** @returns where the skipped bytes begin, for whoever fills them in. */
  skip(size: number): number {
    this.reserve(size);
    this.length += size;
    return this.length - size;
  }

  int8(value: number): void {
    this.reserve(1);
    this.buffer[this.length++] = value;
  }

  int16(value: number): void {
    this.reserve(2);
    this.length = this.buffer.writeInt16BE(value, this.length);
  }

  int32(value: number): void {
    this.int32At(this.skip(4), value);
  }

  int32At(at: number, value: number): void {
    this.buffer.writeInt32BE(value | 0, at);
  }

  int64(value: bigint): void {
    this.reserve(8);
    this.length = this.buffer.writeBigInt64BE(value, this.length);
  }

  varint(value: number): void {
    this.reserve(longestVarint);
    let rest = ((value << 1) ^ (value >> 31)) >>> 0;
    while (rest > 0x7f) {
      this.buffer[this.length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.buffer[this.length++] = rest;
  }

  /** With their length before them, -1 for null. */
  bytes(value: Buffer | string | null): void {
    if (value === null) this.varint(-1);
    else if (typeof value === 'string') this.text(value);
    else {
      this.varint(value.length);
      this.raw(value);
    }
  }

  raw(bytes: Buffer): void {
    this.reserve(bytes.length);
    this.buffer.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** Writes how many bytes have come since `from` before them. */
  prefixVarint(from: number): void {
    const size = this.length - from;
    this.varint(size);
    const prefix = this.length - from - size;
    const bytes = this.buffer.subarray(from + size, this.length);
    const copy = [...bytes];
    this.buffer.copyWithin(from + prefix, from, from + size);
    this.buffer.set(copy, from);
  }

  private text(value: string): void {
    if (value.length > shortText || !this.ascii(value)) {
      const size = Buffer.byteLength(value);
      this.varint(size);
      this.reserve(size);
      this.length += this.buffer.write(value, this.length, size, 'utf8');
    }
  }

  private ascii(value: string): boolean {
    const from = this.length;
    this.varint(value.length);
    this.reserve(value.length);
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i);
      if (code > 0x7f) {
        this.length = from;
        return false;
      }
      this.buffer[this.length++] = code;
    }
    return true;
  }

  private reserve(size: number): void {
    if (this.length + size <= this.buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.length + size));
    this.buffer.copy(larger, 0, 0, this.length);
    this.buffer = larger;
  }
}
