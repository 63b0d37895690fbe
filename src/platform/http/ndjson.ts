import { Readable } from 'node:stream';
import { StreamableFile } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';

/** One JSON document a line, for exports that are too long for one answer in memory. */
export const ndjsonType = 'application/x-ndjson';

export function wantsNdjson({ headers }: Pick<FastifyRequest, 'headers'>): boolean {
  const types = (headers.accept ?? '').split(',').map((type) => type.split(';')[0]!.trim());
  return types.some((type) => type.toLowerCase() === ndjsonType);
}

/**
 * An answer that is written while it is read: `items` is asked for more only as fast as the caller takes them, and is
 * ended when the caller goes away. Where it fails midway the connection breaks, so that nobody takes a part for all.
 */
export function ndjson(items: AsyncIterable<object>): StreamableFile {
  return new StreamableFile(Readable.from(lines(items), { objectMode: false }), {
    type: ndjsonType,
  });
}

async function* lines(items: AsyncIterable<object>): AsyncGenerator<string> {
  for await (const item of items) yield `${JSON.stringify(item)}\n`;
}
