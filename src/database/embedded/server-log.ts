import { open, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type DataPlace, giveToOwner } from './data-place.js';

const MAX_BYTES = 5 * 1024 * 1024;

function logFile(place: DataPlace): string {
  return join(place.folder, 'server.log');
}

/** Opens `server.log` for the server to append to; a large one becomes `server.log.1` first. */
export async function openServerLog(
  place: DataPlace,
): Promise<{ fd: number; start: number; close(): Promise<void> }> {
  const file = logFile(place);
  const size = await stat(file).then(
    (found) => found.size,
    () => 0,
  );
  if (size > MAX_BYTES) await rename(file, `${file}.1`);
  const handle = await open(file, 'a', 0o600);
  await giveToOwner(file, place);
  const start = (await handle.stat()).size;
  return { fd: handle.fd, start, close: () => handle.close() };
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
