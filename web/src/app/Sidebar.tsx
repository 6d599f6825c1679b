import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { Ellipsis, ListTree, Pencil, Plus, Search, X } from "lucide-react";
import { useEffect, useMemo, useRef, useState } from "react";
import { api } from "../api/client";
import { failureOf } from "../api/http";
import type { Conversation } from "../api/types";
import { useT } from "../i18n";
import { Button, IconButton } from "../ui/controls";
import { Logo } from "../ui/Logo";
import { Menu, MenuItem } from "../ui/menu";
import { useApp } from "./context";
import { ConversationItems } from "./ConversationMenu";
import { useObservable } from "./observable";
import { groupByAge } from "./groups";
import { linkTo, usePlace } from "./router";
import { SettingsMenu } from "./SettingsMenu";

interface Props {
  onNew: () => void;
  onHelp: () => void;
  /** Closes the drawer, where the sidebar is one. */
  onClose?: () => void;
}

/** All conversations, newest first, and the way to search them. */
export function Sidebar({ onNew, onHelp, onClose }: Props) {
  const t = useT();
  const [typed, setTyped] = useState("");
  const query = useSettled(typed.trim(), 200);
  const place = usePlace();
  return (
    <nav aria-label={t.conversations} className="flex h-full min-h-0 flex-col bg-sunken">
      <div className="flex h-14 shrink-0 items-center gap-2 px-4 text-accent">
        <Logo />
        <span className="font-serif text-lg tracking-tight text-ink">Thumbprint</span>
        {onClose && (
          <IconButton label={t.closeSidebar} className="ms-auto" onClick={onClose}>
            <X size={18} />
          </IconButton>
        )}
      </div>
      <div className="space-y-2 px-3 pb-2">
        <Button className="w-full !justify-start" onClick={onNew}>
          <Plus size={16} className="text-accent" />
          {t.newChat}
        </Button>
        <label className="flex h-9 items-center gap-2 rounded-m px-3.5 text-quiet focus-within:bg-hover focus-within:outline-2 focus-within:outline-accent hover:bg-hover pointer-coarse:h-11">
          <Search size={16} aria-hidden />
          <input
            type="search"
            id="search"
            aria-label={t.searchConversations}
            placeholder={t.searchConversations}
            value={typed}
            onChange={(event) => setTyped(event.target.value)}
            className="min-w-0 flex-1 bg-transparent text-sm text-ink outline-none pointer-coarse:text-base"
          />
        </label>
      </div>
      <List query={query} onOpen={onClose} />
      <div className="flex shrink-0 items-center border-t border-line px-3 py-2">
        <SettingsMenu onHelp={onHelp} onLeave={onClose} />
        <a
          {...linkTo({ page: "traces", search: "" }, { after: onClose })}
          aria-current={place.page === "traces" || (place.page === "trace" && place.trace !== undefined) ? "page" : undefined}
          className="ms-auto inline-flex min-h-9 items-center gap-2 rounded-m px-3.5 text-sm text-quiet hover:bg-hover hover:text-ink aria-[current]:bg-hover aria-[current]:text-ink pointer-coarse:min-h-11"
        >
          <ListTree size={16} aria-hidden />
          {t.traces}
        </a>
      </div>
    </nav>
  );
}

function List({ query, onOpen }: { query: string; onOpen?: () => void }) {
  const t = useT();
  const { bin } = useApp();
  const deleted = useObservable(bin.ids);
  const list = useInfiniteQuery({
    queryKey: ["conversations", query],
    queryFn: ({ pageParam, signal }) => api.conversations(query, pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor,
    placeholderData: (before) => before,
  });
  const groups = useMemo(
    // As of the moment the list came; it comes again whenever something changes.
    () => groupByAge(list.data?.pages.flatMap((page) => page.items).filter(({ id }) => !deleted.has(id)) ?? [], new Date(list.dataUpdatedAt)),
    [list.data, list.dataUpdatedAt, deleted],
  );
  return (
    <div className="min-h-0 flex-1 overflow-y-auto px-3 pb-4">
      {list.isError && (
        <div className="px-3.5 py-3 text-sm text-quiet">
          <p>{t.listFailed}</p>
          <Button className="mt-2" onClick={() => void list.refetch()}>
            {t.retry}
          </Button>
        </div>
      )}
      {list.isSuccess && groups.length === 0 && <p className="px-3.5 py-3 text-sm text-quiet">{query ? t.noMatches : t.noConversations}</p>}
      {groups.map(({ age, items }) => (
        <section key={age} aria-label={t[age]}>
          <h2 className="px-3.5 pt-4 pb-1 text-xs font-medium text-quiet">{t[age]}</h2>
          <ul>
            {items.map((conversation) => (
              <Row key={conversation.id} conversation={conversation} query={query} onOpen={onOpen} />
            ))}
          </ul>
        </section>
      ))}
      {list.hasNextPage && (
        <Button look="ghost" className="mt-2 w-full" disabled={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
          {t.loadMore}
        </Button>
      )}
    </div>
  );
}

function Row({ conversation, query, onOpen }: { conversation: Conversation; query: string; onOpen?: () => void }) {
  const t = useT();
  const place = usePlace();
  const { notices, sessions } = useApp();
  const queries = useQueryClient();
  const [renaming, setRenaming] = useState(false);
  const current = place.page === "chat" && place.conversation === conversation.id;
  const title = conversation.title || t.untitled;

  const rename = async (changed: string) => {
    setRenaming(false);
    if (changed === "" || changed === conversation.title) return;
    try {
      await api.rename(conversation.id, changed);
      sessions.known(conversation.id)?.rename(changed);
    } catch (error) {
      notices.fail(failureOf(error));
    }
    await queries.invalidateQueries({ queryKey: ["conversations"] });
  };

  if (renaming) return <Rename title={conversation.title} onDone={(changed) => void rename(changed)} />;
  return (
    <li className={`group relative flex items-center rounded-m ${current ? "bg-hover font-medium" : "hover:bg-hover"}`}>
      <a
        {...linkTo({ page: "chat", conversation: conversation.id }, { after: onOpen })}
        aria-current={current ? "page" : undefined}
        dir="auto"
        className={`min-w-0 flex-1 truncate rounded-m py-1.5 ps-3.5 text-sm pointer-coarse:py-3 pointer-coarse:pe-12 ${current ? "pe-9" : "pe-3.5 group-focus-within:pe-9 group-hover:pe-9"}`}
      >
        <Marked text={title} query={query} />
        <Excerpt conversation={conversation} query={query} />
      </a>
      <Menu
        align="end"
        trigger={
          <button
            type="button"
            aria-label={t.optionsFor(title)}
            className={`absolute end-1 grid size-7 place-items-center rounded-s text-quiet hover:text-ink pointer-coarse:size-11 ${current ? "" : "pointer-fine:opacity-0 group-focus-within:opacity-100 group-hover:opacity-100 data-[state=open]:opacity-100"}`}
          >
            <Ellipsis size={16} />
          </button>
        }
      >
        {/* After the menu has given the focus back, or it would take it from the field. */}
        <MenuItem icon={<Pencil size={15} />} onSelect={() => setTimeout(() => setRenaming(true))}>
          {t.rename}
        </MenuItem>
        <ConversationItems conversation={conversation} onLeave={onOpen} />
      </Menu>
    </li>
  );
}

/** Where a message has what was searched for, when the title has not. */
function Excerpt({ conversation: { title, excerpt }, query }: { conversation: Conversation; query: string }) {
  if (!excerpt || query === "" || title.toLocaleLowerCase().includes(query.toLocaleLowerCase())) return null;
  return (
    <span dir="auto" className="line-clamp-2 text-xs font-normal whitespace-normal text-quiet">
      <Marked text={excerpt} query={query} />
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

function Rename({ title, onDone }: { title: string; onDone: (changed: string) => void }) {
  const t = useT();
  const [changed, setChanged] = useState(title);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.select(), []);
  return (
    <li>
      <input
        ref={field}
        aria-label={t.conversationTitle}
        dir="auto"
        maxLength={200}
        value={changed}
        onChange={(event) => setChanged(event.target.value)}
        onBlur={() => onDone(changed.trim())}
        onKeyDown={(event) => {
          if (event.nativeEvent.isComposing) return;
          if (event.key === "Enter") event.currentTarget.blur();
          if (event.key === "Escape") {
            event.stopPropagation();
            onDone(title);
          }
        }}
        className="w-full rounded-m border border-accent bg-raised px-3 py-1.5 text-sm pointer-coarse:py-3 pointer-coarse:text-base"
      />
    </li>
  );
}

/** A value once it has not changed for a while. */
function useSettled<T>(value: T, ms: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}
