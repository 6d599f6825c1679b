// What a page's main thread does while something happens: its frames and its long tasks.
import type { Page } from "playwright-core";

export interface Frames {
  seconds: number;
  /** Frames whose scripts ran, a second. */
  perSecond: number;
  /** Of those that a screen of 60 Hz would have shown, those that were not drawn. */
  dropped: number;
  /** Milliseconds between two frames. */
  p50: number;
  p99: number;
  longest: number;
  /** Tasks above 50 ms, as the browser reports them. */
  longTasks: number;
  longestTask: number;
  /** Pixels by which what is read moved against the direction of scrolling, at most. */
  against: number;
}

interface Recorder {
  frames: number[];
  moves: number[];
  tasks: number[];
  running: boolean;
  watcher: PerformanceObserver;
}
type Recording = typeof globalThis & { recorder: Recorder };

/** Records while `act` runs. `items` are those whose place is watched from frame to frame. */
export async function record(page: Page, act: () => Promise<unknown>, items = ""): Promise<Frames> {
  await page.evaluate((selector) => {
    const tasks: number[] = [];
    const watcher = new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => duration)));
    const recorder: Recorder = ((globalThis as Recording).recorder = { frames: [], moves: [], tasks, running: true, watcher });
    watcher.observe({ type: "longtask" });
    let watched: { element: Element; top: number } | undefined;
    const frame = (time: number) => {
      recorder.frames.push(time);
      if (selector) {
        const { top } = watched?.element.getBoundingClientRect() ?? { top: 0 };
        if (watched?.element.isConnected) recorder.moves.push(top - watched.top);
        if (watched?.element.isConnected && top > 0 && top < innerHeight) watched.top = top;
        else {
          // Asked only for the next one: finding it costs as much as a frame's paint.
          const element = document.elementFromPoint(innerWidth / 2, innerHeight / 3)?.closest(selector);
          watched = element ? { element, top: element.getBoundingClientRect().top } : undefined;
        }
      }
      if (recorder.running) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }, items);
  await act();
  const { frames, moves, tasks } = await page.evaluate(async () => {
    const { recorder } = globalThis as Recording;
    recorder.running = false;
    await new Promise((resolve) => setTimeout(resolve, 100));
    recorder.watcher.disconnect();
    return { frames: recorder.frames, moves: recorder.moves, tasks: recorder.tasks };
  });
  const gaps = frames.slice(1).map((time, at) => time - (frames[at] ?? 0)).toSorted((a, b) => a - b);
  const seconds = ((frames.at(-1) ?? 0) - (frames[0] ?? 0)) / 1000;
  const share = (part: number) => gaps[Math.min(gaps.length - 1, Math.floor(gaps.length * part))] ?? 0;
  return {
    seconds,
    perSecond: gaps.length / seconds,
    dropped: Math.max(0, Math.round(seconds * 60) - gaps.length) / Math.round(seconds * 60),
    p50: share(0.5),
    p99: share(0.99),
    longest: gaps.at(-1) ?? 0,
    longTasks: tasks.length,
    longestTask: Math.max(0, ...tasks),
    against: Math.max(0, -Math.min(0, ...moves)),
  };
}
