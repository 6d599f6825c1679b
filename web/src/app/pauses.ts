const first = 500;
const last = 10_000;

/** Pauses between tries, each twice as long as the one before, without end. */
export function* pauses(): Generator<() => Promise<void>, never> {
  for (let ms = first; ; ms = Math.min(2 * ms, last)) yield () => pause(ms);
}

/** Waits, but not when the network has just come back, and not after `ended`. */
export function pause(ms: number, ended?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      removeEventListener("online", end);
      ended?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    addEventListener("online", end);
    ended?.addEventListener("abort", end);
  });
}
