import { useCallback, useEffect, useMemo, useRef } from "react";
import type { Agent } from "../api/types";
import { ApiError, failureOf } from "../api/http";
import { useApp } from "../app/context";
import { rest, useLater } from "../app/later";
import { useObservable } from "../app/observable";
import { go } from "../app/router";
import { dimensionsOf } from "../feedback/dimensions";
import { useT } from "../i18n";
import { Logo } from "../ui/Logo";
import { Button } from "../ui/controls";
import { Composer } from "./Composer";
import type { Chat, Session } from "./session";
import { branch, type Step } from "./tree";

interface Props {
  session: Session;
  agents: Agent[];
  agent: Agent | undefined;
}

/** One conversation, or the invitation to begin one. */
export function ChatPage({ session, agents, agent }: Props) {
  const t = useT();
  const chat = useObservable(session.chat);
  const { notices } = useApp();
  const steps = useMemo(() => branch(chat.messages, chat.choices), [chat.messages, chat.choices]);
  useSpokenProgress(chat);
  const begun = chat.load !== "ready" || steps.length > 0;
  const parts = useLater(rest, begun);

  const fail = useCallback(
    (error: unknown) => notices.fail(error instanceof ApiError && error.status === 0 ? { text: t.unreachable } : failureOf(error)),
    [notices, t],
  );
  const agentId = agent?.id ?? "";
  const ask = async (text: string) => {
    try {
      await session.ask(agentId, text, steps.at(-1)?.message.id);
    } catch (error) {
      fail(error);
      throw error;
    }
  };
  const stop = async () => {
    try {
      await session.stop();
    } catch (error) {
      fail(error);
      throw error;
    }
  };

  return (
    <main className="flex min-h-0 flex-1 flex-col">
      {!begun && <Welcome agent={agent} onPick={(prompt) => void ask(prompt).catch(() => {})} />}
      {begun && (chat.load !== "ready" || !parts) && <Loading load={chat.load} onRetry={() => void session.load()} />}
      {begun && chat.load === "ready" && parts && <parts.Conversation session={session} chat={chat} steps={steps} agents={agents} agentId={agentId} onFail={fail} />}
      <div className="mx-auto w-full max-w-column px-3 pb-[max(0.25rem,env(safe-area-inset-bottom))] sm:px-6">
        <Composer
          draftName={chat.id ?? "new"}
          agentName={agent?.name ?? ""}
          running={chat.running !== undefined}
          disabled={!agent || chat.load !== "ready"}
          onSend={ask}
          onStop={stop}
        />
        <div className="mt-1 grid min-h-8 place-content-center pointer-coarse:min-h-11">
          <BelowComposer chat={chat} agents={agents} steps={steps} />
        </div>
      </div>
    </main>
  );
}

/** The hint, or the question how the conversation was. */
function BelowComposer({ chat, agents, steps }: { chat: Chat; agents: Agent[]; steps: Step[] }) {
  const t = useT();
  const hint = <p className="text-center text-xs text-quiet">{t.composerHint}</p>;
  // The branch may end with a question; who answered last is who is asked about.
  const agentId = steps.findLast(({ message }) => message.role === "assistant")?.message.agent_id;
  const answers = chat.messages.filter((message) => message.rateable).length;
  const parts = useLater(rest, answers > 0);
  if (!chat.id || answers === 0 || !parts) return hint;
  return (
    <parts.ConversationRating
      key={chat.id}
      conversation={chat.id}
      agentId={agentId}
      dimensions={dimensionsOf(agents, agentId)}
      answers={answers}
      activity={steps.at(-1)?.message.id ?? ""}
      busy={chat.running !== undefined}
    >
      {hint}
    </parts.ConversationRating>
  );
}

function Welcome({ agent, onPick }: { agent: Agent | undefined; onPick: (prompt: string) => void }) {
  const t = useT();
  const prompts = agent?.suggested_prompts ?? [];
  return (
    <div className="flex min-h-0 flex-1 flex-col overflow-y-auto">
      <div className="m-auto w-full max-w-column px-4 py-8 outline-none sm:px-6" id="conversation" tabIndex={-1}>
        <span className="text-accent">
          <Logo size={44} />
        </span>
        <h1 className="mt-4 font-serif text-3xl tracking-tight text-balance sm:text-4xl">{t.welcome}</h1>
        {agent?.description && <p className="mt-3 max-w-prose text-quiet">{agent.description}</p>}
        {prompts.length > 0 && (
          <ul aria-label={t.suggestions} className="mt-7 grid gap-2 sm:grid-cols-2">
            {prompts.map((prompt) => (
              <li key={prompt}>
                <button
                  type="button"
                  dir="auto"
                  onClick={() => onPick(prompt)}
                  className="h-full w-full rounded-m border border-line bg-raised px-4 py-3 text-start text-sm transition-colors hover:border-edge hover:bg-hover"
                >
                  {prompt}
                </button>
              </li>
            ))}
          </ul>
        )}
      </div>
    </div>
  );
}

/** In the place of a conversation that is not there yet, or cannot be had. */
function Loading({ load, onRetry }: { load: Chat["load"]; onRetry: () => void }) {
  const t = useT();
  return (
    <div id="conversation" tabIndex={-1} className="mx-auto min-h-0 w-full max-w-column flex-1 overflow-y-auto px-4 pt-6 outline-none sm:px-6">
      <h1 className="sr-only">{t.transcript}</h1>
      {load === "missing" || load === "failed" ? (
        <div className="py-10 text-center">
          <p>{load === "missing" ? t.notFound : t.loadFailed}</p>
          <div className="mt-4 flex justify-center gap-2">
            {load === "failed" && <Button onClick={onRetry}>{t.retry}</Button>}
            <Button onClick={() => go({ page: "chat" })}>{t.newChat}</Button>
          </div>
        </div>
      ) : (
        <p className="text-quiet">{t.loading}</p>
      )}
    </div>
  );
}

/** Tells a screen reader when an answer begins and how it ends, instead of every word. */
function useSpokenProgress(chat: Chat) {
  const t = useT();
  const { notices } = useApp();
  const running = useRef<string>(undefined);
  useEffect(() => {
    const was = running.current;
    running.current = chat.running;
    if (chat.running !== undefined) {
      if (was === undefined) notices.say(t.generating);
      return;
    }
    const answer = was === undefined ? undefined : chat.messages.find((message) => message.id === was);
    const status = answer?.status;
    if (status === "completed") notices.say(t.answerComplete);
    if (status === "stopped") notices.say(answer?.stopped_by === "user" ? t.answerStopped : t.stoppedBy[answer?.stopped_by ?? "user"]);
    if (status === "failed") notices.say(t.answerFailed);
  }, [chat, notices, t]);
}
