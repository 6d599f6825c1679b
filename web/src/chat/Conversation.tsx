import { startTransition, useCallback, useState } from "react";
import type { Agent, Approval, Message } from "../api/types";
import { dimensionsOf } from "../feedback/dimensions";
import { useT } from "../i18n";
import { AnswerView } from "./AnswerView";
import { keepEdit, QuestionView } from "./QuestionView";
import { root, type Chat, type ChatMessage, type Session } from "./session";
import { Transcript } from "./Transcript";
import type { Step } from "./tree";

/** As many messages are drawn at first: drawing a thousand at once takes seconds. */
const batch = 30;
/** As many more with each step back: few, so that scrolling does not wait for them. */
const earlier = 4;
/** Messages that are laid out together. Those far from what is read are not, each at the height it had (styles.css). */
const stretch = 8;

interface Props {
  session: Session;
  chat: Chat;
  /** The branch that is shown. */
  steps: Step[];
  agents: Agent[];
  /** Who is asked. */
  agentId: string;
  onFail: (error: unknown) => void;
}

/** What was said, and what can be done with it. */
export function Conversation({ session, chat, steps, agents, agentId, onFail }: Props) {
  const t = useT();
  const asked = steps.findLast(({ message }) => message.role === "user")?.message.timestamp ?? "";
  // With a new question the end is shown; a thousand messages above it would only make every change slow.
  const [drawn, setDrawn] = useState({ asked, count: batch });
  const count = drawn.asked === asked ? drawn.count : batch;
  const first = Math.max(0, steps.length - count);
  // A transition: they are drawn in slices between frames. Asked for again meanwhile, they are the same ones.
  const showEarlier = useCallback(() => startTransition(() => setDrawn({ asked, count: count + earlier })), [asked, count]);

  const choose = useCallback((id: string) => session.choose(id), [session]);
  const regenerate = useCallback((question: string) => void session.regenerate(agentId, question).catch(onFail), [session, agentId, onFail]);
  const approve = useCallback(
    (message: ChatMessage, approvals: Approval[]) => void session.approve(message.agent_id ?? agentId, message.id, approvals).catch(onFail),
    [session, agentId, onFail],
  );
  const edit = useCallback(
    (message: ChatMessage, text: string) => {
      keepEdit(message.id, text);
      session
        .ask(agentId, text, message.parent_id || root)
        .then(() => keepEdit(message.id, undefined))
        .catch(onFail);
    },
    [session, agentId, onFail],
  );

  return (
    <Transcript busy={chat.running !== undefined} asked={asked} first={first} onEarlier={showEarlier}>
      <h1 className="sr-only">{chat.title || t.transcript}</h1>
      {stretches(first, steps.length).map(([from, to]) => (
        <div key={Math.floor(from / stretch)} className="stretch flex flex-col gap-2">
          {steps.slice(from, to).map((step, index) => {
            const place = from + index;
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
        </div>
      ))}
    </Transcript>
  );
}

/** Where the stretches of what is drawn begin and end. A message's stretch stays the same when earlier ones are drawn. */
function stretches(first: number, end: number): [from: number, to: number][] {
  const all: [number, number][] = [];
  for (let from = first, to; from < end; from = to) {
    to = Math.min(end, from - (from % stretch) + stretch);
    all.push([from, to]);
  }
  return all;
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
      dimensions={dimensionsOf(agents, message.agent_id)}
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
