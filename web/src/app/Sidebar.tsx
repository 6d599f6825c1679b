import { useQuery } from "@tanstack/react-query";
import { ListTree, Plus, Search, X } from "lucide-react";
import { useEffect, useState } from "react";
import { mayTraceQuery } from "../api/queries";
import { useT } from "../i18n";
import { Button, IconButton } from "../ui/controls";
import { Logo } from "../ui/Logo";
import { NoticePlace } from "../ui/notices";
import { History } from "./History";
import { linkTo, usePlace } from "./router";
import { SettingsMenu } from "./SettingsMenu";

interface Props {
  onNew: () => void;
  /** Closes the drawer, where the sidebar is one. */
  onClose?: () => void;
}

/** All conversations, newest first, and the way to search them. */
export function Sidebar({ onNew, onClose }: Props) {
  const t = useT();
  const [typed, setTyped] = useState("");
  const query = useSettled(typed.trim(), 200);
  const place = usePlace();
  const mayTrace = useQuery(mayTraceQuery).data;
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
        <Button id="new-chat" className="w-full !justify-start" onClick={onNew}>
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
            className="min-w-0 flex-1 self-stretch bg-transparent text-sm text-ink outline-none pointer-coarse:text-base"
          />
        </label>
      </div>
      <History query={query} onOpen={onClose} />
      {onClose && <NoticePlace beside />}
      <div className="flex shrink-0 items-center border-t border-line px-3 py-2">
        <SettingsMenu onLeave={onClose} />
        {mayTrace && (
          <a
            {...linkTo({ page: "traces", search: "" }, { after: onClose })}
            aria-current={place.page === "traces" || (place.page === "trace" && place.trace !== undefined) ? "page" : undefined}
            className="ms-auto inline-flex min-h-9 items-center gap-2 rounded-m px-3.5 text-sm text-quiet hover:bg-hover hover:text-ink aria-[current]:bg-hover aria-[current]:text-ink pointer-coarse:min-h-11"
          >
            <ListTree size={16} aria-hidden />
            {t.traces}
          </a>
        )}
      </div>
    </nav>
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
