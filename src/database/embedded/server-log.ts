import { copyFile, type FileHandle, open, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { type DataPlace, giveToOwner } from './data-place.js';

const MAX_BYTES = 5 * 1024 * 1024;

function logFile(place: DataPlace): string {
  return join(place.folder, 'server.log');
}

/** Makes `server.log` and says where the next message in it begins. */
export async function prepareServerLog(place: DataPlace): Promise<number> {
  await boundServerLog(place);
  const handle = await openServerLog(place);
  try {
    await giveToOwner(logFile(place), place);
    return (await handle.stat()).size;
  } finally {
    await handle.close();
  }
}

/** For the server to append to: the file and not a pipe, so that it can write whether the hub lives or not. */
export async function openServerLog(place: DataPlace): Promise<FileHandle> {
  return open(logFile(place), 'a', 0o600);
}

/** A large log becomes `server.log.1`. Copied and cut: the server keeps the file open, in append mode. */
export async function boundServerLog(place: DataPlace): Promise<void> {
  const file = logFile(place);
  const found = await stat(file).catch(() => undefined);
  if (!found || found.size <= MAX_BYTES) return;
  await copyFile(file, `${file}.1`);
  await giveToOwner(`${file}.1`, place);
  await truncate(file);
}

/** What the server wrote since `start`, at most the last 64 KB of it. */
export async function readServerLog(place: DataPlace, start: number): Promise<string> {
  const handle = await open(logFile(place), 'r');
  try {
    const { size } = await handle.stat();
    const from = Math.max(start, size - 65_536);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(65_536), 0, 65_536, from);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await handle.close();
  }
}
