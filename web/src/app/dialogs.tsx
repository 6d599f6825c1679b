import { LinksDialog } from "../share/LinksDialog";
import { ShareDialog } from "../share/ShareDialog";
import { useApp } from "./context";
import { useObservable } from "./observable";
import { RenameDialog } from "./RenameDialog";

/** The dialogs that can be opened from more than one place; at most one is open. */
export type Dialog = { kind: "share" | "rename"; conversation: string; title: string } | { kind: "links" };

export function Dialogs() {
  const { dialog } = useApp();
  const open = useObservable(dialog);
  const close = () => dialog.set(undefined);
  switch (open?.kind) {
    case "share":
      return <ShareDialog conversation={open.conversation} title={open.title} onClose={close} />;
    case "rename":
      return <RenameDialog conversation={open.conversation} title={open.title} onClose={close} />;
    case "links":
      return <LinksDialog onClose={close} />;
    default:
      return null;
  }
}
