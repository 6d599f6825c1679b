import { ThumbsDown, ThumbsUp } from "lucide-react";
import { Popover } from "radix-ui";
import { useEffect, useRef, useState, type ReactNode } from "react";
import { useApp } from "../app/context";
import { useObservable } from "../app/observable";
import type { Dimension, Feedback } from "../api/types";
import { useT } from "../i18n";
import { IconButton } from "../ui/controls";
import type { Ballot } from "./ballot";
import { DetailForm, leaveField } from "./DetailForm";
import { popoverLook } from "./Details";
import { DeliveryWords } from "./DeliveryWords";
import { noVote, type VoteState } from "./machine";
import { VoteForm } from "./VoteForm";

interface Props {
  /** What the pair is called; an answer's is the default. */
  label?: string;
  traceId: string;
  agentId?: string;
  dimension: Dimension;
  /** What else the deployer asks. */
  details: Dimension[];
  feedback?: Feedback[];
  /** What stands after the thumbs, and where in it a vote's state and comment are: where they move no button when they appear. */
  children: (state: ReactNode, comment: ReactNode) => ReactNode;
}

/** The two thumbs of one answer, and what follows a vote. */
export function Thumbs({ label: name, traceId, agentId, dimension, details, feedback, children }: Props) {
  const t = useT();
  const { ballots, notices } = useApp();
  const ballot = ballots.get({ traceId, agentId, dimension: dimension.name }, feedback);
  const state = useObservable(ballot.state);
  const [open, setOpen] = useState<{ side: boolean; byKeyboard: boolean }>();
  const up = useRef<HTMLButtonElement>(null);
  const down = useRef<HTMLButtonElement>(null);
  useSpokenResult(state, open !== undefined);
  const gone = state.sync === "refused" && state.error?.gone === true;
  useEffect(() => {
    if (!gone) return;
    // There is nothing to rate any more: the toast says why, and a form would only promise otherwise.
    setOpen((was) => {
      if (was?.byKeyboard) (was.side ? up : down).current?.focus();
      return undefined;
    });
  }, [gone]);

  const press = (side: boolean, byKeyboard: boolean) => {
    if (state.shown.value === side) {
      ballot.draft.set(undefined);
      ballot.vote(noVote);
      setOpen(undefined);
      notices.say(t.voteRemoved);
      return;
    }
    // After a refusal what was typed for this thumb is there again.
    if (ballot.draft.get()?.side !== side || state.sync !== "refused") ballot.draft.set(undefined);
    ballot.vote({ value: side, reasons: [], comment: "" });
    setOpen({ side, byKeyboard });
  };
  const thumb = (side: boolean) => {
    const active = state.shown.value === side;
    const Icon = side ? ThumbsUp : ThumbsDown;
    const label = side ? t.goodResponse : t.badResponse;
    return (
      <IconButton
        ref={side ? up : down}
        label={label}
        tip={active ? t.clickToRemove : label}
        aria-pressed={active}
        className={active ? "!text-accent" : ""}
        // A click by Enter or Space has no detail; only then may the popover take the focus.
        onClick={(event) => press(side, event.detail === 0)}
      >
        <Icon size={16} fill={active ? "currentColor" : "none"} />
      </IconButton>
    );
  };

  return (
    <>
      <Popover.Root open={open !== undefined} onOpenChange={(next) => !next && setOpen(undefined)}>
        <Popover.Anchor asChild>
          <div role="group" aria-label={name ?? t.rateThisAnswer} className="flex">
            {thumb(true)}
            {thumb(false)}
          </div>
        </Popover.Anchor>
        {open && (
          <VotePopover ballot={ballot} dimension={dimension} side={open.side} byKeyboard={open.byKeyboard} onClose={() => setOpen(undefined)} thumb={open.side ? up : down}>
            {details.length > 0 && (
              <details className="mt-3 border-t border-line pt-2">
                <summary className="flex min-h-8 items-center text-sm font-medium text-accent pointer-coarse:min-h-11">{t.rateInDetail}</summary>
                <div className="mt-2">
                  <DetailForm traceId={traceId} agentId={agentId} dimensions={details} feedback={feedback} />
                </div>
              </details>
            )}
          </VotePopover>
        )}
      </Popover.Root>
      {children(
        <DeliveryWords state={state} onRetry={() => void ballot.redeliver()} />,
        <Comment ballot={ballot} open={open !== undefined} onOpen={(side, byKeyboard) => setOpen({ side, byKeyboard })} />,
      )}
    </>
  );
}

/** What was said, or was typed and not sent: the way back to it. */
function Comment({ ballot, open, onOpen }: { ballot: Ballot; open: boolean; onOpen: (side: boolean, byKeyboard: boolean) => void }) {
  const t = useT();
  const { value, reasons, comment } = useObservable(ballot.state).shown;
  const draft = useObservable(ballot.draft);
  if (typeof value !== "boolean") return null;
  const unsent = !open && draft?.side === value && (draft.comment !== comment || String(draft.reasons) !== String(reasons)) ? draft : undefined;
  if (!unsent && comment === "") return null;
  const said = unsent ? [t.draft, unsent.comment && t.quoted(unsent.comment)].filter(Boolean).join(": ") : t.quoted(comment);
  return (
    <button
      type="button"
      aria-label={`${t.editComment}: ${said}`}
      className="mx-1 min-h-6 max-w-72 min-w-12 shrink-9999 truncate rounded-s px-1 text-xs text-quiet underline decoration-line underline-offset-2 hover:text-ink pointer-coarse:min-h-11"
      onClick={(event) => onOpen(value, event.detail === 0)}
    >
      {said}
    </button>
  );
}

interface PopoverProps {
  ballot: Ballot;
  dimension: Dimension;
  side: boolean;
  byKeyboard: boolean;
  onClose: () => void;
  thumb: React.RefObject<HTMLButtonElement | null>;
  children: ReactNode;
}

function VotePopover({ ballot, dimension, side, byKeyboard, onClose, thumb, children }: PopoverProps) {
  const t = useT();
  const content = useRef<HTMLDivElement>(null);
  return (
    <Popover.Portal>
      <Popover.Content
        ref={content}
        aria-label={side ? t.whatWasGood : t.whatWentWrong}
        side="top"
        align="start"
        sideOffset={8}
        collisionPadding={12}
        className={popoverLook}
        onOpenAutoFocus={(event) => {
          event.preventDefault();
          if (byKeyboard) content.current?.querySelector<HTMLElement>("button, textarea")?.focus();
        }}
        onInteractOutside={(event) => {
          // The thumbs decide themselves what a press on them does to the popover.
          if (thumb.current?.parentElement?.contains(event.target as Node)) event.preventDefault();
        }}
        onPointerDownOutside={leaveField}
        onEscapeKeyDown={() => thumb.current?.focus()}
        onCloseAutoFocus={(event) => event.preventDefault()}
      >
        <VoteForm
          key={String(side)}
          ballot={ballot}
          dimension={dimension}
          side={side}
          onClose={() => {
            thumb.current?.focus();
            onClose();
          }}
        />
        {children}
      </Popover.Content>
    </Popover.Portal>
  );
}

/** Says how a vote ended. While the popover is open it speaks for itself. */
function useSpokenResult(state: VoteState, open: boolean) {
  const t = useT();
  const { notices } = useApp();
  const before = useRef(state.sync);
  useEffect(() => {
    const was = before.current;
    before.current = state.sync;
    if (was !== "sending") return;
    if (state.sync === "idle" && state.shown.value !== undefined && !open) notices.say(t.thanks);
    else if (state.sync === "idle" && state.shown.value !== undefined) notices.say(t.voteSaved);
    else if (state.sync === "waiting") notices.say(t.willBeSent);
    else if (state.sync === "refused") notices.say(t.voteFailed);
  }, [state, open, notices, t]);
}
