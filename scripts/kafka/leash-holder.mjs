// Ends a broker whose owner died without ending it: kill -9, a crash, a cancelled test run.
//
// Started by the owner, which holds the other end of standard input. The owner writes the id of its
// broker's process, one a line, 0 for none. The end of input is the owner's death, however it came.
// argv[2], optional: a folder to remove with it.
import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';

const GRACE_MS = 15_000;
const KILL_MS = 5_000;
let pid = 0;

for await (const line of createInterface({ input: process.stdin })) pid = Number(line);

if (pid > 0) {
  await untilGone('SIGTERM', GRACE_MS);
  await untilGone('SIGKILL', KILL_MS);
}
if (process.argv[2]) rmSync(process.argv[2], { recursive: true, force: true, maxRetries: 5 });

/** Has a limit for SIGKILL too: a dead process that nobody reaps answers signals for ever. */
async function untilGone(signal, timeoutMs) {
  const deadline = performance.now() + timeoutMs;
  for (let next = signal; send(next) && performance.now() < deadline; next = 0) await delay(50);
}

/** False when the process is gone. */
function send(signal) {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
