import { useEffect, useState } from "react";
import type { Dimension } from "../api/types";
import { useObservable } from "../app/observable";
import { nameOfKey, useI18n } from "../i18n";
import { Button } from "../ui/controls";
import type { Ballot } from "./ballot";
import { Chip } from "./Chip";

const longest = 1000;

/** Asked where the agent's configuration names no reasons of its own. */
const usualReasons = {
  down: ["inaccurate", "incomplete", "not_what_i_asked", "did_not_follow_instructions", "outdated", "too_long", "bad_style", "unjustified_refusal", "unsafe", "slow", "other"],
  up: ["accurate", "clear", "thorough", "creative", "followed_instructions", "other"],
};

interface Props {
  ballot: Ballot;
  dimension: Dimension;
  side: boolean;
  onClose: () => void;
}

/** Reasons and comment for a vote that is already on its way. */
export function VoteForm({ ballot, dimension, side, onClose }: Props) {
  const i18n = useI18n();
  const { t } = i18n;
  const state = useObservable(ballot.state);
  const typed = useObservable(ballot.draft);
  const draft = typed?.side === side ? typed : { side, reasons: state.shown.reasons, comment: state.shown.comment };
  const [sent, setSent] = useState<number>();
  const reasons = dimension.reasons?.[side ? "up" : "down"] ?? usualReasons[side ? "up" : "down"];
  const refused = state.sync === "refused" ? state.error : undefined;
  useEffect(() => {
    if (sent === undefined || state.act !== sent || state.sync === "sending" || state.sync === "refused") return;
    ballot.draft.set(undefined);
    onClose();
  }, [ballot, sent, state, onClose]);

  const toggle = (reason: string) => {
    const chosen = draft.reasons.includes(reason) ? draft.reasons.filter((other) => other !== reason) : [...draft.reasons, reason];
    ballot.draft.set({ ...draft, reasons: chosen });
  };
  const send = () => {
    // Kept until the server has it: a refusal must not lose what was typed.
    ballot.draft.set(draft);
    ballot.vote({ value: side, reasons: draft.reasons, comment: draft.comment.trim() });
    setSent(ballot.state.get().act);
  };

  return (
    // Not a control itself: it only hears the keys of the controls in it.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
    <form
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
      onKeyDown={(event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.nativeEvent.isComposing) {
          event.preventDefault();
          send();
        }
      }}
    >
      <h2 className="font-semibold">{side ? t.whatWasGood : t.whatWentWrong}</h2>
      {!refused && <p className="mt-0.5 text-xs text-quiet">{state.sync === "waiting" ? t.willBeSentWhy : state.sync === "sending" ? t.saving : t.optional}</p>}
      <div className="mt-3 flex flex-wrap gap-1.5">
        {reasons.map((reason) => (
          <Chip key={reason} name={nameOfKey(dimension, reason, i18n)} on={draft.reasons.includes(reason)} onToggle={() => toggle(reason)} />
        ))}
      </div>
      <textarea
        aria-label={t.comment}
        placeholder={t.commentPlaceholder}
        dir="auto"
        rows={3}
        maxLength={longest}
        value={draft.comment}
        onChange={(event) => ballot.draft.set({ ...draft, comment: event.target.value })}
        className="mt-3 block w-full resize-y rounded-m border border-edge bg-paper px-3 py-2 text-sm pointer-coarse:text-base"
      />
      {refused && (
        <p role="alert" className="mt-2 rounded-s bg-danger-soft px-2.5 py-1.5 text-sm text-danger">
          {t.voteFailed}. {refused.text}
          {refused.hint && <span className="mt-0.5 block text-xs">{refused.hint}</span>}
        </p>
      )}
      <div className="mt-3 flex items-center gap-2">
        <span className="me-auto text-xs text-quiet">{draft.comment.length > longest / 2 && t.characters(draft.comment.length, longest)}</span>
        <Button look="ghost" onClick={onClose}>
          {t.skip}
        </Button>
        <Button look="primary" type="submit" disabled={sent === state.act && state.sync === "sending"}>
          {refused ? t.tryAgain : t.send}
        </Button>
      </div>
    </form>
  );
}
