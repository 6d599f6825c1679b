import { FileJson, FileText, Link2, Trash2 } from "lucide-react";
import type { Conversation } from "../api/types";
import { useT } from "../i18n";
import { MenuItem } from "../ui/menu";
import { graceful } from "./bin";
import { useApp } from "./context";
import { go, here } from "./router";
import { useExport } from "./useExport";

interface Props {
  conversation: Conversation;
  /** Before something opens or goes away: closes the drawer that the menu is in. */
  onLeave?: () => void;
}

/** What can be done with a stored conversation, wherever its menu is. */
export function ConversationItems({ conversation, onLeave }: Props) {
  const t = useT();
  const { bin, dialog, notices } = useApp();
  const save = useExport();
  const { id } = conversation;
  const title = conversation.title || t.untitled;

  const remove = () => {
    const place = here();
    const current = place.page === "chat" && place.conversation === id;
    bin.put(id);
    // The drawer is modal: what offers to undo would be behind it.
    onLeave?.();
    if (current) go({ page: "chat" });
    const undo = () => {
      if (bin.undo(id) && current) go({ page: "chat", conversation: id });
    };
    notices.offer(t.deletedTitle(title), { label: t.undo, run: undo }, graceful);
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
