import { useApp } from "./context";
import { rest, useLater } from "./later";
import { useObservable } from "./observable";

/** The dialogs that can be opened from more than one place; at most one is open. */
export type Dialog = { kind: "share" | "rename"; conversation: string; title: string } | { kind: "links" | "shortcuts" };

export function Dialogs() {
  const { dialog } = useApp();
  const open = useObservable(dialog);
  const parts = useLater(rest, open !== undefined);
  return open && parts && <parts.DialogView open={open} onClose={() => dialog.set(undefined)} />;
}
