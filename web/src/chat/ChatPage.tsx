import { startTransition, useCallback, useEffect, useMemo, useRef, useState } from "react";
import type { Agent, Approval, Dimension, Message } from "../api/types";
import { ApiError, failureOf } from "../api/http";
import { useApp } from "../app/context";
import { useObservable } from "../app/observable";
import { go } from "../app/router";
import { ConversationRating } from "../feedback/ConversationRating";
import { useT } from "../i18n";
import { Logo } from "../ui/Logo";
import { Button } from "../ui/controls";
import { AnswerView } from "./AnswerView";
import { Composer } from "./Composer";
import { keepEdit, QuestionView } from "./QuestionView";
import { root, type Chat, type ChatMessage, type Session } from "./session";
import { Transcript } from "./Transcript";
import { branch, type Step } from "./tree";

interface Props {
  session: Session;
  agents: Agent[];
  agent: Agent | undefined;
}

/** As many messages are drawn at first: drawing a thousand at once takes seconds. */
const batch = 30;
/** As many more with each step back: few, so that scrolling does not wait for them. */
const earlier = 10;

/** Rated where an agent's configuration says nothing. */
const usualDimensions: readonly Dimension[] = [{ name: "user_feedback", type: "boolean" }];

/** One conversation, or the invitation to begin one. */
export function ChatPage({ session, agents, agent }: Props) {
  const t = useT();
  const chat = useObservable(session.chat);
  const { notices } = useApp();
  const steps = useMemo(() => branch(chat.messages, chat.choices), [chat.messages, chat.choices]);
  useSpokenProgress(chat);
  const [count, setCount] = useState(batch);
  const first = Math.max(0, steps.length - count);
  // A transition: they are drawn in slices between frames. Asked for again meanwhile, they are the same ones.
  const showEarlier = useCallback(() => startTransition(() => setCount(count + earlier)), [count]);

  const fail = useCallback(
    (error: unknown) => notices.fail(error instanceof ApiError && error.status === 0 ? { text: t.unreachable } : failureOf(error)),
    [notices, t],
  );
  const agentId = agent?.id ?? "";
  const ask = async (text: string) => {
    // The end is shown now; a thousand messages above it would only make every change slow.
    setCount(batch);
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
  const choose = useCallback((id: string) => session.choose(id), [session]);
  const regenerate = useCallback((question: string) => void session.regenerate(agentId, question).catch(fail), [session, agentId, fail]);
  const approve = useCallback(
    (message: ChatMessage, approvals: Approval[]) => void session.approve(message.agent_id ?? agentId, message.id, approvals).catch(fail),
    [session, agentId, fail],
  );
  const edit = useCallback(
    (message: ChatMessage, text: string) => {
      keepEdit(message.id, text);
      session
        .ask(agentId, text, message.parent_id || root)
        .then(() => keepEdit(message.id, undefined))
        .catch(fail);
    },
    [session, agentId, fail],
  );
  const asked = steps.findLast(({ message }) => message.role === "user")?.message;

  return (
    <main className="flex min-h-0 flex-1 flex-col">
      {chat.load === "ready" && steps.length === 0 ? (
        <Welcome agent={agent} onPick={(prompt) => void ask(prompt).catch(() => {})} />
      ) : (
        <Transcript busy={chat.running !== undefined} asked={`${chat.load} ${asked?.timestamp}`} first={first} onEarlier={showEarlier}>
          <h1 className="sr-only">{chat.title || t.transcript}</h1>
          {chat.load !== "ready" && <Loading chat={chat} onRetry={() => void session.load()} />}
          {steps.slice(first).map((step, index) => {
            const place = first + index;
            return (
              <StepView
                // Not the id: that changes when the stored one becomes known.
                // oxlint-disable-next-line react/no-array-index-key
                key={`${place} ${step.message.role} ${step.message.timestamp}`}
                step={step}
                before={steps[place - 1]?.message}
                after={steps[place + 1]?.message}
                agents={agents}
                chat={chat}
                last={place === steps.length - 1}
                onChoose={choose}
                onRegenerate={regenerate}
                onApprove={approve}
                onEdit={edit}
              />
            );
          })}
        </Transcript>
      )}
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
  if (!chat.id || answers === 0) return hint;
  return (
    <ConversationRating
      key={chat.id}
      conversation={chat.id}
      agentId={agentId}
      dimensions={dimensionsOf(agents.find((agent) => agent.id === agentId))}
      answers={answers}
      activity={steps.at(-1)?.message.id ?? ""}
      busy={chat.running !== undefined}
    >
      {hint}
    </ConversationRating>
  );
}

interface StepProps {
  step: Step;
  before: Message | undefined;
  after: Message | undefined;
  agents: Agent[];
  chat: Chat;
  last: boolean;
  onChoose: (id: string) => void;
  onRegenerate: (question: string) => void;
  onApprove: (message: ChatMessage, approvals: Approval[]) => void;
  onEdit: (message: ChatMessage, text: string) => void;
}

function StepView({ step, before, after, agents, chat, last, onChoose, onRegenerate, onApprove, onEdit }: StepProps) {
  const message = step.message as ChatMessage;
  const busy = chat.running !== undefined;
  if (message.role === "user") {
    return <QuestionView message={message} siblings={step.siblings} busy={busy} onChoose={onChoose} onEdit={onEdit} />;
  }
  if (message.role !== "assistant") return null;
  return (
    <AnswerView
      message={message}
      siblings={step.siblings}
      dimensions={dimensionsOf(agents.find((agent) => agent.id === message.agent_id))}
      last={last}
      busy={busy}
      reconnecting={chat.reconnecting === true && chat.running === message.id}
      conversation={chat.id}
      again={before?.role === "user"}
      // An answer below it is the decision's; if that failed, it can be decided again.
      undecided={!after || (after.role === "assistant" && after.status === "failed")}
      onChoose={onChoose}
      onRegenerate={onRegenerate}
      onApprove={onApprove}
    />
  );
}

function dimensionsOf(agent: Agent | undefined): readonly Dimension[] {
  const dimensions = agent?.feedback?.dimensions ?? [];
  return dimensions.length === 0 ? usualDimensions : dimensions;
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

function Loading({ chat, onRetry }: { chat: Chat; onRetry: () => void }) {
  const t = useT();
  if (chat.load === "loading") return <p className="text-quiet">{t.loading}</p>;
  return (
    <div className="py-10 text-center">
      <p>{chat.load === "missing" ? t.notFound : t.loadFailed}</p>
      <div className="mt-4 flex justify-center gap-2">
        {chat.load === "failed" && <Button onClick={onRetry}>{t.retry}</Button>}
        <Button onClick={() => go({ page: "chat" })}>{t.newChat}</Button>
      </div>
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
    const status = was === undefined ? undefined : chat.messages.find((message) => message.id === was)?.status;
    if (status === "completed") notices.say(t.answerComplete);
    if (status === "stopped") notices.say(t.answerStopped);
    if (status === "failed") notices.say(t.answerFailed);
  }, [chat, notices, t]);
}
