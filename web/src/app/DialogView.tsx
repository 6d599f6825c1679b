import { LinksDialog } from "../share/LinksDialog";
import { ShareDialog } from "../share/ShareDialog";
import type { Dialog } from "./dialogs";
import { RenameDialog } from "./RenameDialog";
import { ShortcutSheet } from "./ShortcutSheet";

/** A dialog, whichever it is. */
export function DialogView({ open, onClose }: { open: Dialog; onClose: () => void }) {
  switch (open.kind) {
    case "share":
      return <ShareDialog conversation={open.conversation} title={open.title} onClose={onClose} />;
    case "rename":
      return <RenameDialog conversation={open.conversation} title={open.title} onClose={onClose} />;
    case "links":
      return <LinksDialog onClose={onClose} />;
    case "shortcuts":
      return <ShortcutSheet onClose={onClose} />;
  }
}
