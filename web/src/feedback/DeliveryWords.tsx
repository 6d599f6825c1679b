import { Check, CircleAlert, Clock, CloudOff, LoaderCircle } from "lucide-react";
import type { Messages } from "../i18n/en";
import { useT } from "../i18n";
import { Tip } from "../ui/controls";
import type { VoteState } from "./machine";

interface Words {
  key: string;
  text: string;
  why: string;
  Icon: typeof Check;
  tone: string;
}

interface Props {
  state: VoteState;
  onRetry: () => void;
}

/** Where a vote is, in words a person understands. Nothing where there is no vote. */
export function DeliveryWords({ state, onRetry }: Props) {
  const t = useT();
  const words = wordsFor(t, state);
  if (!words) return null;
  const { Icon } = words;
  return (
    <span className="inline-flex max-w-full shrink-0 flex-wrap items-center gap-x-1 whitespace-nowrap" data-delivery={words.key}>
      <Tip text={words.why}>
        {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
        <span tabIndex={0} role="note" aria-label={`${words.text}. ${words.why}`} className={`inline-flex items-center gap-1 rounded-s text-xs ${words.tone}`}>
          <Icon size={13} aria-hidden />
          {words.text}
        </span>
      </Tip>
      {words.key === "failed" && (
        <button type="button" className="min-h-6 rounded-s px-1 text-xs font-medium text-accent underline underline-offset-2 pointer-coarse:min-h-11" onClick={onRetry}>
          {t.tryAgain}
        </button>
      )}
    </span>
  );
}

function wordsFor(t: Messages, state: VoteState): Words | undefined {
  if (state.sync === "waiting") return { key: "will_be_sent", text: t.willBeSent, why: t.willBeSentWhy, Icon: CloudOff, tone: "text-warn" };
  if (state.shown.value === undefined) return undefined;
  if (state.sync === "sending") return { key: "sending", text: t.saving, why: t.saving, Icon: LoaderCircle, tone: "text-quiet" };
  switch (state.delivery) {
    case "delivered":
      return { key: "delivered", text: t.onTheTrace, why: t.onTheTraceWhy, Icon: Check, tone: "text-quiet" };
    case "waiting_for_trace":
      return { key: "waiting_for_trace", text: t.saved, why: t.savedWaitingTrace, Icon: Clock, tone: "text-quiet" };
    case "waiting_for_mlflow":
      return { key: "waiting_for_mlflow", text: t.saved, why: t.savedWaitingStore, Icon: Clock, tone: "text-quiet" };
    case "failed":
      return { key: "failed", text: t.notDelivered, why: state.deliveryReason || t.notDelivered, Icon: CircleAlert, tone: "text-danger" };
    default:
      return undefined;
  }
}
