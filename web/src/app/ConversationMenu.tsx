import { FileJson, FileText, Link2, Trash2 } from "lucide-react";
import type { Conversation } from "../api/types";
import { useT } from "../i18n";
import { focusSoon } from "../ui/focus";
import { MenuItem } from "../ui/menu";
import { graceful } from "./bin";
import { useApp } from "./context";
import { besides, rowButton } from "./rows";
import { go, here } from "./router";
import { undoKeys } from "./shortcuts";
import { useExport } from "./useExport";

interface Props {
  conversation: Conversation;
  /** Before something opens: closes the drawer that the menu is in. */
  onLeave?: () => void;
}

/** What can be done with a stored conversation, wherever its menu is. */
export function ConversationItems({ conversation, onLeave }: Props) {
  const t = useT();
  const { bin, dialog, notices, preferences } = useApp();
  const save = useExport();
  const { id } = conversation;
  const title = conversation.title || t.untitled;

  const remove = () => {
    const place = here();
    const current = place.page === "chat" && place.conversation === id;
    // Who deletes in the list goes on there; an opened conversation's own menu leads to the message box, as any new chat does.
    const next = besides(id);
    bin.put(id);
    if (current) go({ page: "chat" });
    if (next) focusSoon(next);
    const undo = () => {
      if (!bin.undo(id)) return;
      if (current) go({ page: "chat", conversation: id });
      if (next) focusSoon(rowButton(id));
    };
    notices.offer(t.deletedTitle(title), { label: t.undo, run: undo, keys: preferences.shortcuts.get() ? undoKeys(t) : undefined }, graceful);
  };
  const share = () => {
    onLeave?.();
    dialog.set({ kind: "share", conversation: id, title });
  };

  return (
    <>
      <MenuItem icon={<Link2 size={15} />} onSelect={share}>
        {t.share}
      </MenuItem>
      <MenuItem icon={<FileText size={15} />} onSelect={() => void save.one(conversation, "markdown")}>
        {t.exportMarkdown}
      </MenuItem>
      <MenuItem icon={<FileJson size={15} />} onSelect={() => void save.one(conversation, "json")}>
        {t.exportJson}
      </MenuItem>
      <MenuItem icon={<Trash2 size={15} />} danger onSelect={remove}>
        {t.delete}
      </MenuItem>
    </>
  );
}
