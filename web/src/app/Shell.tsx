import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Bot, ChevronDown, Ellipsis, PanelLeft, Pencil, SquarePen, ThumbsUp } from "lucide-react";
import { lazy, Suspense, useEffect, useRef, useState, useSyncExternalStore } from "react";
import { agentsQuery } from "../api/queries";
import type { Agent } from "../api/types";
import { ChatPage } from "../chat/ChatPage";
import type { Chat, Session } from "../chat/session";
import { ratingWanted } from "../feedback/ratingWanted";
import { useT } from "../i18n";
import { plainLine } from "../markdown/plain";
import { IconButton } from "../ui/controls";
import { copyNewest } from "../ui/copy";
import { focusSoon } from "../ui/focus";
import { Menu, MenuChoice, MenuItem } from "../ui/menu";
import { Modal } from "../ui/Modal";
import { useApp } from "./context";
import { ConversationItems } from "./ConversationMenu";
import { Dialogs } from "./dialogs";
import { useObservable } from "./observable";
import { go, usePlace } from "./router";
import { useShortcuts } from "./shortcuts";
import { Sidebar } from "./Sidebar";

const SharePage = lazy(() => import("../share/SharePage"));
const TracePage = lazy(() => import("../trace/TracePage"));
const TracesPage = lazy(() => import("../trace/TracesPage"));

const wide = matchMedia("(min-width: 768px)");
const useWide = () =>
  useSyncExternalStore(
    (watcher) => {
      wide.addEventListener("change", watcher);
      return () => wide.removeEventListener("change", watcher);
    },
    () => wide.matches,
  );

/** The frame: sidebar or drawer, header, and the page. */
export function Shell() {
  const t = useT();
  const place = usePlace();
  const isWide = useWide();
  const [drawer, setDrawer] = useState(false);
  const { sessions, dialog, notices } = useApp();
  const queries = useQueryClient();

  const newChat = () => {
    sessions.renew();
    setDrawer(false);
    go({ page: "chat" });
    focusSoon("message");
  };
  const conversation = place.page === "chat" ? place.conversation : undefined;
  const session = place.page === "chat" ? sessions.get(conversation) : undefined;
  const actions = {
    stop: () => {
      if (session?.chat.get().running === undefined) return false;
      void session.stop().catch(() => {});
    },
    search: () => {
      if (!isWide) setDrawer(true);
      focusSoon("search");
    },
    newChat,
    focus: () => focusSoon("message"),
    copyAnswer: () => copyNewest("answer"),
    copyCode: () => copyNewest("code"),
    undo: notices.undo,
    help: () => {
      if (!dialog.get()) dialog.set({ kind: "shortcuts" });
    },
  };
  // A shared conversation is there to be read, by whoever has the link.
  useShortcuts(actions, place.page !== "share");

  useReturn(() => {
    void session?.refresh();
    void queries.invalidateQueries({ queryKey: ["conversations"] });
  });

  const openDrawer = isWide ? undefined : () => setDrawer(true);
  const sidebar = <Sidebar onNew={newChat} onClose={isWide ? undefined : () => setDrawer(false)} />;
  if (place.page === "share") {
    return (
      <Suspense fallback={<p className="p-6 text-quiet">{t.loading}</p>}>
        <SharePage token={place.token} />
      </Suspense>
    );
  }
  return (
    <div className="flex h-full">
      <a
        href="#conversation"
        onClick={toLatest}
        className="absolute start-2 top-2 z-50 -translate-y-20 rounded-m bg-accent px-3 py-2 text-sm text-on-accent focus:translate-y-0"
      >
        {conversation ? t.skipToLatest : t.skipToContent}
      </a>
      {isWide && <aside className="w-68 shrink-0 border-e border-line">{sidebar}</aside>}
      {!isWide && drawer && (
        <Modal label={t.conversations} place="side" onClose={() => setDrawer(false)}>
          {sidebar}
        </Modal>
      )}
      <div className="flex min-w-0 flex-1 flex-col">
        {session ? (
          <Chatting key={session.key} session={session} onMenu={openDrawer} onNew={newChat} />
        ) : (
          <Suspense fallback={<p className="p-6 text-quiet">{t.loading}</p>}>
            {place.page === "trace" && <TracePage key={place.trace ?? place.message} message={place.message} trace={place.trace} onMenu={openDrawer} />}
            {place.page === "traces" && <TracesPage search={place.search} onMenu={openDrawer} />}
          </Suspense>
        )}
      </div>
      <Dialogs />
    </div>
  );
}

/** Does `act` when the person comes back to this tab, or the network to the person: things may have changed meanwhile. */
function useReturn(act: () => void) {
  const latest = useRef(act);
  useEffect(() => {
    latest.current = act;
  });
  useEffect(() => {
    const listen = () => document.visibilityState === "visible" && latest.current();
    document.addEventListener("visibilitychange", listen);
    addEventListener("online", listen);
    return () => {
      document.removeEventListener("visibilitychange", listen);
      removeEventListener("online", listen);
    };
  }, []);
}

interface ChattingProps {
  session: Session;
  onMenu?: () => void;
  onNew: () => void;
}

function Chatting({ session, onMenu, onNew }: ChattingProps) {
  const t = useT();
  const { preferences } = useApp();
  const chat = useObservable(session.chat);
  const preferred = useObservable(preferences.agent);
  const agents = useQuery(agentsQuery);
  const all = agents.data ?? [];
  const [picked, setPicked] = useState<string>();
  const wanted = picked ?? chat.agentId ?? preferred;
  const agent = all.find(({ id }) => id === wanted) ?? all[0];
  useEffect(() => {
    document.title = chat.title ? `${plainLine(chat.title)} · Thumbprint` : "Thumbprint";
  }, [chat.title]);
  return (
    <>
      <header className="flex h-14 shrink-0 items-center gap-1 px-2 sm:px-3">
        {onMenu && (
          <IconButton label={t.openSidebar} onClick={onMenu}>
            <PanelLeft size={18} className="rtl:-scale-x-100" />
          </IconButton>
        )}
        {agents.isError && <span className="px-2 text-sm text-danger">{t.noAgents}</span>}
        {agent && (
          <AgentPicker
            agents={all}
            agent={agent}
            onPick={(id) => {
              setPicked(id);
              preferences.setAgent(id);
            }}
          />
        )}
        <span className="ms-auto" />
        {chat.id && chat.load === "ready" && <ChatMenu chat={chat} />}
        {onMenu && (
          <IconButton label={t.newChat} onClick={onNew}>
            <SquarePen size={18} />
          </IconButton>
        )}
      </header>
      <ChatPage session={session} agents={all} agent={agent} />
    </>
  );
}

/** What can be done with the conversation on the page. */
function ChatMenu({ chat }: { chat: Chat }) {
  const t = useT();
  const { dialog } = useApp();
  const rateable = chat.messages.some((message) => message.rateable);
  const conversation = { id: chat.id ?? "", title: chat.title ?? "", agent_id: chat.agentId, created_at: "", updated_at: "" };
  return (
    <Menu
      align="end"
      trigger={
        <IconButton label={t.optionsForThis}>
          <Ellipsis size={18} />
        </IconButton>
      }
    >
      {rateable && (
        <MenuItem icon={<ThumbsUp size={15} />} onSelect={() => ratingWanted.set(chat.id)}>
          {t.rateConversation}
        </MenuItem>
      )}
      <MenuItem icon={<Pencil size={15} />} onSelect={() => dialog.set({ kind: "rename", conversation: conversation.id, title: conversation.title })}>
        {t.rename}
      </MenuItem>
      <ConversationItems conversation={conversation} />
    </Menu>
  );
}

function AgentPicker({ agents, agent, onPick }: { agents: Agent[]; agent: Agent; onPick: (id: string) => void }) {
  const t = useT();
  return (
    <Menu
      trigger={
        <button
          type="button"
          aria-label={t.agentButton(agent.name)}
          className="inline-flex min-h-9 min-w-0 items-center gap-2 rounded-m px-2.5 text-sm font-medium hover:bg-hover pointer-coarse:min-h-11"
        >
          <Bot size={17} className="shrink-0 text-accent" />
          <span className="truncate">{agent.name}</span>
          <ChevronDown size={15} className="shrink-0 text-quiet" />
        </button>
      }
    >
      <MenuChoice
        label={t.chooseAgent}
        value={agent.id}
        onChange={onPick}
        options={agents.map(({ id, name, description }) => ({ value: id, name, description }))}
      />
    </Menu>
  );
}

/** Leads to what was said last; where nothing was, the link leads to the content. */
function toLatest(event: React.MouseEvent) {
  const latest = [...document.querySelectorAll<HTMLElement>("main article")].at(-1);
  if (!latest) return;
  event.preventDefault();
  latest.tabIndex = -1;
  latest.focus();
}
