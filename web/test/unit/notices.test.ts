import { expect, test, vi } from "vitest";
import { Notices } from "../../src/ui/notices";

test("what can be undone is not pushed out by what comes later, and is said", () => {
  vi.useFakeTimers();
  const notices = new Notices();
  const end = notices.offer("Deleted", { label: "Undo", run: () => {} });
  expect(notices.spoken.get()).toBe("Deleted");
  for (const text of ["a", "b", "c", "d"]) notices.fail({ text });
  notices.offer("Deleted too", { label: "Undo", run: () => {} });
  const shown = () => notices.toasts.get().map(({ text }) => text);
  expect(shown()).toEqual(["Deleted", "b", "c", "d", "Deleted too"]);
  end();
  expect(shown()).toEqual(["b", "c", "d", "Deleted too"]);
  vi.useRealTimers();
});

test("what is undone by keys is the newest that can be, once", () => {
  const notices = new Notices();
  const undone: string[] = [];
  for (const title of ["A", "B"]) notices.offer(`${title} deleted`, { label: "Undo", run: () => void undone.push(title), keys: "Ctrl+Z" });
  notices.offer("Collecting", { label: "Cancel", run: () => void undone.push("collecting") });
  expect(notices.spoken.get()).toBe("Collecting");
  expect([notices.undo(), notices.undo(), notices.undo()]).toEqual([true, true, false]);
  expect(undone).toEqual(["B", "A"]);
});
