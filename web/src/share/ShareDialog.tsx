import { Link2, Link2Off } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { api } from "../api/client";
import { failureOf } from "../api/http";
import { useApp } from "../app/context";
import { branch } from "../chat/tree";
import { day, useI18n } from "../i18n";
import { Button } from "../ui/controls";
import { CopyButton } from "../ui/copy";
import { Modal } from "../ui/Modal";
import { useLinks, useLinksChanged } from "./links";

interface Props {
  conversation: string;
  title: string;
  onClose: () => void;
}

/** Makes a link to a conversation, or ends the one there is. */
export function ShareDialog({ conversation, title, onClose }: Props) {
  const { t, language } = useI18n();
  const { sessions } = useApp();
  const links = useLinks();
  const changed = useLinksChanged();
  const [url, setUrl] = useState<string>();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  const [said, setSaid] = useState("");
  const shared = links.data?.pages.flatMap((page) => page.items).find((link) => link.conversation_id === conversation);

  const { hasNextPage, isFetchingNextPage, fetchNextPage } = links;
  const looking = links.isPending || (!shared && hasNextPage);
  useEffect(() => {
    // A link there is must be known before another one ends it.
    if (!shared && hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [shared, hasNextPage, isFetchingNextPage, fetchNextPage]);

  const act = async (change: () => Promise<string | undefined>) => {
    setBusy(true);
    setProblem(undefined);
    setSaid("");
    try {
      setUrl(await change());
      await changed();
    } catch (error) {
      setProblem(failureOf(error).text || t.unreachable);
    }
    setBusy(false);
  };
  const make = () =>
    act(async () => {
      // What is shared is what is on the page: of several versions the one that is shown.
      const chat = sessions.known(conversation)?.chat.get();
      const shown = chat?.load === "ready" ? branch(chat.messages, chat.choices).at(-1)?.message.id : undefined;
      const { path } = await api.share(conversation, shown);
      return new URL(path, location.href).href;
    });
  const close = useRef<HTMLButtonElement>(null);
  const revoke = () =>
    act(async () => {
      await api.unshare(conversation);
      setSaid(t.linkRevoked);
      // The button that was pressed goes away.
      close.current?.focus();
      return undefined;
    });

  return (
    <Modal label={t.shareConversation} onClose={onClose}>
      <h2 className="text-lg font-semibold">{t.shareConversation}</h2>
      <p dir="auto" className="mt-1 truncate text-sm text-quiet">
        {title}
      </p>
      <p className="mt-3 text-sm">{t.shareWhat}</p>
      {url ? (
        <>
          <div className="mt-4 flex items-center gap-1 rounded-m border border-edge bg-paper ps-3 pe-1">
            <input
              readOnly
              // The button that made it is gone; this is what it was pressed for.
              // oxlint-disable-next-line jsx-a11y/no-autofocus
              autoFocus
              aria-label={t.sharedLink}
              value={url}
              dir="ltr"
              onFocus={(event) => event.currentTarget.select()}
              className="min-h-10 min-w-0 flex-1 bg-transparent font-mono text-xs outline-none pointer-coarse:min-h-11"
            />
            <CopyButton text={url} />
          </div>
          <p role="status" className="mt-2 text-xs text-quiet">
            {t.shareOnce}
          </p>
        </>
      ) : (
        shared && <p className="mt-3 rounded-m bg-sunken px-3 py-2 text-sm">{t.sharedSince(day(language, shared.created_at))}</p>
      )}
      <p role="status" className="text-sm text-quiet not-empty:mt-3">
        {said}
      </p>
      {(problem || links.isError) && (
        <p role="alert" className="mt-3 rounded-s bg-danger-soft px-2.5 py-1.5 text-sm text-danger">
          {problem || t.listFailed}
        </p>
      )}
      <div className="mt-5 flex flex-wrap items-center justify-end gap-2">
        {(url || shared) && (
          <Button look="ghost" className="me-auto !text-danger" disabled={busy} onClick={() => void revoke()}>
            <Link2Off size={16} />
            {t.revokeLink}
          </Button>
        )}
        <Button ref={close} onClick={onClose}>{t.close}</Button>
        {!url && (
          <Button look="primary" disabled={busy || looking || links.isError} onClick={() => void make()}>
            <Link2 size={16} />
            {shared ? t.makeNewLink : t.makeLink}
          </Button>
        )}
      </div>
    </Modal>
  );
}
