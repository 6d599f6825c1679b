import { useQuery } from "@tanstack/react-query";
import { X } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { api } from "../api/client";
import type { Dimension } from "../api/types";
import { useObservable } from "../app/observable";
import { store, stored } from "../app/storage";
import { useT } from "../i18n";
import { IconButton } from "../ui/controls";
import { Details } from "./Details";
import { ratingWanted } from "./ratingWanted";
import { Thumbs } from "./Thumbs";

/** The question is not asked before a conversation has gone on for so many answers, */
const enoughAnswers = 2;
/** and nothing has been asked or typed for so long. */
const pauseMs = 90_000;

interface Props {
  conversation: string;
  agentId: string | undefined;
  /** The agent's; the pair of thumbs is asked first, and the only thing. */
  dimensions: readonly Dimension[];
  /** How many of its answers can be rated. */
  answers: number;
  /** Changes with whatever the person does; the pause begins anew. */
  activity: string;
  busy: boolean;
  /** What stands here when nothing is asked. */
  children: React.ReactNode;
}

/**
 * How was the conversation as a whole? Asked in one quiet line where otherwise
 * the hint stands, once a conversation, after a pause; or when the person wants to.
 * Whoever goes on instead, or away, is not asked again.
 */
export function ConversationRating({ conversation, agentId, dimensions, answers, activity, busy, children }: Props) {
  const t = useT();
  const asked = useObservable(ratingWanted) === conversation;
  const [dueAt, setDueAt] = useState<string>();
  const due = dueAt === activity && !busy;
  const line = useRef<HTMLDivElement>(null);
  const name = `asked.${conversation}`;
  useEffect(() => {
    if (due || busy || answers < enoughAnswers || stored(name)) return;
    const timer = setInterval(() => {
      const typed = document.querySelector<HTMLTextAreaElement>("#message")?.value;
      if (!typed) setDueAt(activity);
    }, pauseMs);
    return () => clearInterval(timer);
    // Each activity begins the pause anew.
    // oxlint-disable-next-line react/exhaustive-effect-dependencies
  }, [due, busy, answers, name, activity]);
  useEffect(
    () => () => {
      if (ratingWanted.get() === conversation) ratingWanted.set(undefined);
    },
    [conversation],
  );
  const mine = useQuery({
    queryKey: ["rating", conversation],
    queryFn: () => api.ratings(conversation),
    enabled: asked || due,
    // What changes it is this page, and the ballot knows.
    staleTime: Infinity,
  });
  const thumbs = dimensions.find(({ type }) => type === "boolean");
  const rated = mine.data?.some((entry) => !entry.withdrawn && dimensions.some(({ name: rating }) => rating === entry.name)) === true;
  const shown = mine.isSuccess && (asked || (due && !rated));
  useEffect(() => {
    if (!shown) return;
    store(name, "1");
    // Only who asked for it is led to it.
    if (asked) line.current?.querySelector("button")?.focus();
  }, [shown, asked, name]);

  if (!shown) return children;
  const close = () => {
    setDueAt(undefined);
    if (asked) ratingWanted.set(undefined);
    document.getElementById("message")?.focus();
  };
  const dismiss = (
    <IconButton label={t.dismiss} onClick={close}>
      <X size={15} />
    </IconButton>
  );
  return (
    <div ref={line} role="group" aria-label={t.rateConversation} className="group grid grid-cols-[auto_auto_auto_minmax(0,max-content)] items-center justify-center text-xs text-quiet">
      <span className="col-start-1 row-start-1 pe-2 group-has-data-delivery:invisible">{t.howWasConversation}</span>
      {thumbs ? (
        <Thumbs label={t.rateConversation} traceId={conversation} agentId={agentId} dimension={thumbs} details={[]} feedback={mine.data}>
          {(state, comment) => (
            <>
              {dismiss}
              {/* In the place of the question, which is answered then: so no button moves under the finger. */}
              <span className="col-start-1 row-start-1 justify-self-end pe-2">{state}</span>
              {comment}
            </>
          )}
        </Thumbs>
      ) : (
        <>
          <Details traceId={conversation} agentId={agentId} dimensions={dimensions} feedback={mine.data} />
          {dismiss}
        </>
      )}
    </div>
  );
}
