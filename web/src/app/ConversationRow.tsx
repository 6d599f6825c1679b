import { Ellipsis, Pencil } from "lucide-react";
import { memo, useState } from "react";
import type { Conversation } from "../api/types";
import { useT } from "../i18n";
import { plainLine } from "../markdown/plain";
import { useFocusBack } from "../ui/focus";
import { Menu, MenuItem } from "../ui/menu";
import { ConversationItems } from "./ConversationMenu";
import { linkTo, usePlace } from "./router";
import { rowButton } from "./rows";
import { TitleField } from "./TitleField";
import { useRename } from "./useRename";

/** A conversation in the list: opened, renamed, or asked for its menu. */
export const ConversationRow = memo(function ConversationRow({ conversation, query, onOpen }: { conversation: Conversation; query: string; onOpen?: () => void }) {
  const t = useT();
  const place = usePlace();
  const rename = useRename(conversation.id, conversation.title);
  const [renaming, setRenaming] = useState(false);
  const current = place.page === "chat" && place.conversation === conversation.id;
  const title = plainLine(conversation.title) || t.untitled;

  const { opener, giveBack } = useFocusBack(renaming);
  const done = (changed: string, byKey: boolean) => {
    // Who clicked elsewhere is there already.
    if (byKey) giveBack();
    setRenaming(false);
    void rename(changed);
  };

  if (renaming) return <Rename title={conversation.title} onDone={done} />;
  return (
    <div className={`group relative flex items-center rounded-m ${current ? "bg-hover font-medium" : "hover:bg-hover"}`}>
      <a
        {...linkTo({ page: "chat", conversation: conversation.id }, { after: onOpen })}
        aria-current={current ? "page" : undefined}
        className={`min-w-0 flex-1 rounded-m py-1.5 ps-3.5 text-sm pointer-coarse:py-3 pointer-coarse:pe-12 ${current ? "pe-9" : "pe-3.5 group-focus-within:pe-9 group-hover:pe-9"}`}
      >
        {/* Its direction is its own; the room for the menu is where the menu is. */}
        <span dir="auto" className="block truncate">
          <Marked text={title} query={query} />
        </span>
        <Excerpt conversation={conversation} query={query} />
      </a>
      <Menu
        align="end"
        trigger={
          <button
            ref={opener}
            id={rowButton(conversation.id)}
            type="button"
            aria-label={t.optionsFor(title)}
            className={`absolute end-1 grid size-7 place-items-center rounded-s text-quiet hover:text-ink pointer-coarse:size-11 ${current ? "" : "pointer-fine:opacity-0 group-focus-within:opacity-100 group-hover:opacity-100 data-[state=open]:opacity-100"}`}
          >
            <Ellipsis size={16} />
          </button>
        }
      >
        <MenuItem icon={<Pencil size={15} />} onSelect={() => setRenaming(true)}>
          {t.rename}
        </MenuItem>
        <ConversationItems conversation={conversation} onLeave={onOpen} />
      </Menu>
    </div>
  );
});

/** Where a message has what was searched for, when the title has not. */
function Excerpt({ conversation: { title, excerpt }, query }: { conversation: Conversation; query: string }) {
  if (!excerpt || query === "" || title.toLocaleLowerCase().includes(query.toLocaleLowerCase())) return null;
  return (
    <span dir="auto" className="line-clamp-2 text-xs font-normal text-quiet">
      <Marked text={plainLine(excerpt)} query={query} />
    </span>
  );
}

/** A text with what was searched for marked in it. */
function Marked({ text, query }: { text: string; query: string }) {
  const at = query === "" ? -1 : text.toLocaleLowerCase().indexOf(query.toLocaleLowerCase());
  if (at < 0) return text;
  const end = at + query.length;
  return (
    <>
      {text.slice(0, at)}
      <mark>{text.slice(at, end)}</mark>
      {text.slice(end)}
    </>
  );
}

function Rename({ title, onDone }: { title: string; onDone: (changed: string, byKey: boolean) => void }) {
  const [changed, setChanged] = useState(title);
  return (
    <TitleField
      value={changed}
      onValue={setChanged}
      onBlur={() => onDone(changed.trim(), false)}
      onKeyDown={(event) => {
        if (event.nativeEvent.isComposing) return;
        if (event.key === "Enter") onDone(changed.trim(), true);
        if (event.key === "Escape") {
          // Not the drawer's too.
          event.preventDefault();
          event.stopPropagation();
          onDone(title, true);
        }
      }}
      className="w-full rounded-m border border-accent bg-raised px-3 py-1.5 text-sm pointer-coarse:py-3 pointer-coarse:text-base"
    />
  );
}
