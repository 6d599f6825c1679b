import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { api } from "../api/client";
import { ApiError } from "../api/http";
import type { SharedMessage } from "../api/types";
import { linkTo } from "../app/router";
import { Parts } from "../chat/Parts";
import { day, useI18n, useT } from "../i18n";
import { partsOfItems, textOf } from "../stream/answer";
import { Button } from "../ui/controls";
import { CopyButton } from "../ui/copy";
import { Logo } from "../ui/Logo";

/** A conversation as whoever has its link sees it: to read, and nothing else. */
export default function SharePage({ token }: { token: string }) {
  const { t, language } = useI18n();
  const shared = useQuery({ queryKey: ["shared", token], queryFn: () => api.shared(token), staleTime: 60_000 });
  const { data } = shared;
  const title = data?.title || t.transcript;
  useEffect(() => {
    document.title = data ? `${title} · Thumbprint` : "Thumbprint";
  }, [data, title]);
  return (
    <div className="h-full overflow-y-auto">
      <header className="mx-auto flex h-14 max-w-column items-center gap-2 px-4 text-accent sm:px-6">
        <Logo />
        <span className="font-serif text-lg tracking-tight text-ink">Thumbprint</span>
        <a {...linkTo({ page: "chat" })} className="ms-auto rounded-s px-1 text-sm text-quiet hover:text-ink">
          {t.newChat}
        </a>
      </header>
      <main className="mx-auto max-w-column px-4 pt-4 pb-16 sm:px-6">
        {shared.isPending && <p className="text-quiet">{t.loading}</p>}
        {shared.isError && (!data || gone(shared.error)) && (
          <div className="py-16 text-center">
            <h1 className="font-serif text-2xl">{gone(shared.error) ? t.linkGone : t.loadFailed}</h1>
            {gone(shared.error) ? (
              <p className="mt-2 text-quiet">{t.linkGoneWhy}</p>
            ) : (
              <Button className="mt-4" onClick={() => void shared.refetch()}>
                {t.retry}
              </Button>
            )}
          </div>
        )}
        {data && !(shared.isError && gone(shared.error)) && (
          <>
            <h1 dir="auto" className="font-serif text-3xl tracking-tight text-balance wrap-anywhere">
              {title}
            </h1>
            <p className="mt-2 mb-6 border-b border-line pb-5 text-sm text-quiet">{t.sharedOn(day(language, data.created_at))}</p>
            <div className="flex flex-col gap-2">
              {data.messages.map((message, place) => (
                // The list never changes.
                // oxlint-disable-next-line react/no-array-index-key
                <Said key={place} message={message} anchor={`s${place}`} />
              ))}
            </div>
          </>
        )}
      </main>
    </div>
  );
}

const gone = (error: unknown) => error instanceof ApiError && error.status === 404;

function Said({ message, anchor }: { message: SharedMessage; anchor: string }) {
  const t = useT();
  if (message.role === "user") {
    return (
      <article aria-label={t.question} className="flex flex-col items-end py-2">
        <div dir="auto" className="max-w-[85%] rounded-l rounded-ee-s bg-accent-soft px-4 py-2.5 whitespace-pre-wrap wrap-anywhere">
          {message.content}
        </div>
      </article>
    );
  }
  const parts = partsOfItems(message.items ?? [], message.content);
  const text = textOf(parts);
  return (
    <article aria-label={t.answer} className="pb-4">
      {message.agent && <p className="mb-1 text-xs font-medium text-quiet">{message.agent}</p>}
      <div className="prose">
        <Parts parts={parts} writing={false} anchor={anchor} />
        {text === "" && <p className="text-quiet">{t.emptyAnswer}</p>}
      </div>
      {message.status === "stopped" && <p className="mt-2 text-sm text-quiet">{t.stoppedBy[message.stopped_by ?? "user"]}</p>}
      {message.status === "failed" && <p className="mt-2 text-sm text-danger">{t.answerFailed}</p>}
      {text !== "" && (
        <div className="-ms-2 mt-1">
          <CopyButton text={text} />
        </div>
      )}
    </article>
  );
}
