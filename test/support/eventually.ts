/**
 * Polls `probe` until it returns without throwing, for promises the hub keeps asynchronously.
 * Throws the probe's last error when `timeoutMs` runs out, so the failure says what was still wrong.
 */
export async function eventually<T>(probe: () => T | Promise<T>, timeoutMs = 20_000): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    try {
      return await probe();
    } catch (error) {
      if (performance.now() >= deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
