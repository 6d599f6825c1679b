import { Link2Off } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { api } from "../api/client";
import { failureOf } from "../api/http";
import { linkTo } from "../app/router";
import { day, useI18n } from "../i18n";
import { Button } from "../ui/controls";
import { Modal } from "../ui/Modal";
import { useLinks, useLinksChanged } from "./links";

/** All links the person has made, each of which can be revoked. */
export function LinksDialog({ onClose }: { onClose: () => void }) {
  const { t, language } = useI18n();
  const [said, setSaid] = useState("");
  const [problem, setProblem] = useState("");
  const links = useLinks();
  const changed = useLinksChanged();
  const all = links.data?.pages.flatMap((page) => page.items) ?? [];
  const list = useRef<HTMLUListElement>(null);
  const close = useRef<HTMLButtonElement>(null);
  const revoked = useRef<{ at: number; of: number }>(undefined);
  useEffect(() => {
    if (!revoked.current || all.length >= revoked.current.of) return;
    // The focused button is gone: on to the next link, or to what is left to do.
    const buttons = list.current?.querySelectorAll("button") ?? [];
    (buttons[Math.min(revoked.current.at, buttons.length - 1)] ?? close.current)?.focus();
    revoked.current = undefined;
  });
  const revoke = async (conversation: string) => {
    setSaid("");
    setProblem("");
    try {
      await api.unshare(conversation);
      revoked.current = { at: all.findIndex((link) => link.conversation_id === conversation), of: all.length };
      setSaid(t.linkRevoked);
    } catch (error) {
      setProblem(failureOf(error).text || t.unreachable);
    }
    await changed();
  };
  return (
    <Modal label={t.sharedLinks} onClose={onClose}>
      <h2 className="text-lg font-semibold">{t.sharedLinks}</h2>
      <p className="mt-1 text-sm text-quiet">{t.sharedLinksWhat}</p>
      {/* In here: what is beside a modal dialog is out of reach. */}
      <p role="status" className="text-sm text-quiet not-empty:mt-2">
        {said}
      </p>
      {problem && (
        <p role="alert" className="mt-2 rounded-s bg-danger-soft px-2.5 py-1.5 text-sm text-danger">
          {problem}
        </p>
      )}
      {links.isError && (
        <p role="alert" className="mt-4 text-sm">
          {t.listFailed}
        </p>
      )}
      {links.isSuccess && all.length === 0 && <p className="mt-4 rounded-m bg-sunken px-3 py-4 text-center text-sm text-quiet">{t.noSharedLinks}</p>}
      <ul ref={list} className="mt-3 max-h-[50dvh] divide-y divide-line overflow-y-auto">
        {all.map((link) => {
          const title = link.title || t.untitled;
          return (
            <li key={link.conversation_id} className="flex items-center gap-3 py-2 text-sm">
              <a {...linkTo({ page: "chat", conversation: link.conversation_id }, { after: onClose })} className="min-w-0 flex-1 rounded-s py-1 hover:text-accent">
                <span dir="auto" className="block truncate">
                  {title}
                </span>
                <span className="block text-xs text-quiet">{day(language, link.created_at)}</span>
              </a>
              <Button look="ghost" aria-label={t.revokeLinkTo(title)} className="!text-danger" onClick={() => void revoke(link.conversation_id)}>
                <Link2Off size={15} />
                {t.revoke}
              </Button>
            </li>
          );
        })}
      </ul>
      {links.hasNextPage && (
        <Button look="ghost" className="mt-2 w-full" disabled={links.isFetchingNextPage} onClick={() => void links.fetchNextPage()}>
          {t.loadMore}
        </Button>
      )}
      <div className="mt-4 flex justify-end">
        <Button ref={close} onClick={onClose}>{t.close}</Button>
      </div>
    </Modal>
  );
}
