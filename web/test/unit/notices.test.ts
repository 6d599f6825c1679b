import { expect, test, vi } from "vitest";
import { Notices } from "../../src/ui/notices";

test("a failure is said where it is heard: in the modal dialog, when one is open", () => {
  const notices = new Notices();
  notices.fail({ text: "Not copied" });
  expect(notices.spoken.get()).toBe("");
  document.body.innerHTML = "<dialog open></dialog>";
  notices.fail({ text: "Not copied" });
  expect(notices.spoken.get()).toBe("Not copied");
  document.body.innerHTML = "";
});

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
