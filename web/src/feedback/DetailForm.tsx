import { useId, useState } from "react";
import type { Dimension, Feedback, FeedbackValue } from "../api/types";
import { useApp } from "../app/context";
import { useObservable } from "../app/observable";
import { nameOfDimension, nameOfKey, useI18n } from "../i18n";
import { Chip } from "./Chip";
import { DeliveryWords } from "./DeliveryWords";
import { noVote } from "./machine";

/** More steps than this are a number to type, not a row of buttons. */
const mostSteps = 11;

interface Props {
  traceId: string;
  agentId?: string;
  dimensions: readonly Dimension[];
  feedback?: Feedback[];
}

/** Further questions about an answer; each is saved when it is answered, and none has to be. */
export function DetailForm({ dimensions, ...about }: Props) {
  return (
    <div className="space-y-4">
      {dimensions.map((dimension) => (
        <Question key={dimension.name} dimension={dimension} {...about} />
      ))}
    </div>
  );
}

function Question({ dimension, traceId, agentId, feedback }: Omit<Props, "dimensions"> & { dimension: Dimension }) {
  const i18n = useI18n();
  const { t } = i18n;
  const { ballots } = useApp();
  const ballot = ballots.get({ traceId, agentId, dimension: dimension.name }, feedback);
  const state = useObservable(ballot.state);
  const { value, reasons, comment } = state.shown;
  const name = nameOfDimension(dimension, i18n);
  const answer = (next: FeedbackValue | undefined) => ballot.vote(next === undefined ? noVote : { value: next, reasons: [], comment: "" });
  return (
    <fieldset>
      <legend className="flex w-full items-center gap-2 text-sm font-medium">
        {name}
        <DeliveryWords state={state} onRetry={() => void ballot.redeliver()} />
      </legend>
      <div className="mt-1.5 flex flex-wrap items-center gap-1.5">
        <Field dimension={dimension} name={name} value={value} onAnswer={answer} />
        {value !== undefined && (
          <button type="button" aria-label={t.clearRating(name)} className="min-h-8 rounded-s px-2 text-xs text-quiet underline underline-offset-2 hover:text-ink pointer-coarse:min-h-11" onClick={() => answer(undefined)}>
            {t.clear}
          </button>
        )}
      </div>
      {value !== undefined && (
        <div className="mt-1.5 flex flex-wrap gap-1.5 empty:hidden">
          {reasonsFor(dimension, value).map((reason) => {
            const on = reasons.includes(reason);
            const toggle = () => ballot.vote({ value, comment, reasons: on ? reasons.filter((other) => other !== reason) : [...reasons, reason] });
            return <Chip key={reason} name={nameOfKey(dimension, reason, i18n)} on={on} onToggle={toggle} />;
          })}
        </div>
      )}
      {state.sync === "refused" && state.error && (
        <p role="alert" className="mt-1.5 text-xs text-danger">
          {t.voteFailed}. {state.error.text}
        </p>
      )}
    </fieldset>
  );
}

/** The reasons that the deployer offers for this value. */
function reasonsFor({ type, reasons }: Dimension, value: FeedbackValue): string[] {
  const key = type === "boolean" ? (value ? "up" : "down") : String(value);
  return reasons?.[key] ?? [];
}

interface FieldProps {
  dimension: Dimension;
  name: string;
  value: FeedbackValue | undefined;
  onAnswer: (value: FeedbackValue | undefined) => void;
}

function Field({ dimension, name, value, onAnswer }: FieldProps) {
  const i18n = useI18n();
  const { t } = i18n;
  switch (dimension.type) {
    case "boolean":
      return <Choices name={name} options={[{ value: true, text: t.yes }, { value: false, text: t.no }]} value={value} onAnswer={onAnswer} />;
    case "category":
      return <Choices name={name} options={(dimension.categories ?? []).map((category) => ({ value: category, text: nameOfKey(dimension, category, i18n) }))} value={value} onAnswer={onAnswer} />;
    case "multi_category": {
      const chosen = Array.isArray(value) ? value : [];
      const toggle = (category: string) => {
        const next = chosen.includes(category) ? chosen.filter((other) => other !== category) : [...chosen, category];
        onAnswer(next.length > 0 ? next : undefined);
      };
      return (dimension.categories ?? []).map((category) => <Chip key={category} name={nameOfKey(dimension, category, i18n)} on={chosen.includes(category)} onToggle={() => toggle(category)} />);
    }
    case "number": {
      const steps = stepsOf(dimension);
      if (steps) return <Choices name={name} options={steps.map((step) => ({ value: step, text: String(step) }))} value={value} onAnswer={onAnswer} />;
      return <Typed name={name} dimension={dimension} value={value} onAnswer={onAnswer} />;
    }
    case "text":
      return <Typed name={name} dimension={dimension} value={value} onAnswer={onAnswer} />;
  }
}

/** The values of a small scale, e.g. 1 to 5; undefined where there are too many to show. */
export function stepsOf({ min, max, step = 1 }: Dimension): number[] | undefined {
  if (min === undefined || max === undefined || step <= 0 || !Number.isInteger(step) || !Number.isInteger(min)) return undefined;
  const count = Math.floor((max - min) / step) + 1;
  return count >= 2 && count <= mostSteps ? Array.from({ length: count }, (_, at) => min + at * step) : undefined;
}

interface ChoicesProps {
  name: string;
  options: { value: FeedbackValue; text: string }[];
  value: FeedbackValue | undefined;
  onAnswer: (value: FeedbackValue) => void;
}

/** Radio buttons that look like a row of keys: one Tab stop, arrows move and choose. */
function Choices({ name, options, value, onAnswer }: ChoicesProps) {
  const group = useId();
  return (
    <div role="radiogroup" aria-label={name} className="flex flex-wrap gap-1.5">
      {options.map((option) => (
        <label
          key={String(option.value)}
          className={`grid min-h-8 min-w-8 place-items-center rounded-m border px-2.5 text-[0.8125rem] has-focus-visible:outline-2 has-focus-visible:outline-offset-2 has-focus-visible:outline-accent pointer-coarse:min-h-11 pointer-coarse:min-w-11 ${option.value === value ? "border-accent bg-accent-soft font-medium text-accent-strong" : "border-edge hover:bg-hover"}`}
        >
          <input type="radio" name={group} className="sr-only" checked={option.value === value} onChange={() => onAnswer(option.value)} />
          {option.text}
        </label>
      ))}
    </div>
  );
}

/** Saves what is being typed: a field that is taken away is not left. For whatever closes a popover with such fields. */
export function leaveField(): void {
  if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
}

/** Text or a number; saved when the field is left, unless it is none the server would take: then Enter says why. */
function Typed({ name, dimension, value, onAnswer }: FieldProps) {
  const numeric = dimension.type === "number";
  const before = value === undefined ? "" : String(value);
  const [typed, setTyped] = useState(before);
  const [seen, setSeen] = useState(before);
  if (before !== seen) {
    // Answered elsewhere, or cleared.
    setSeen(before);
    setTyped(before);
  }
  const save = (field: HTMLInputElement) => {
    const answer = typed.trim();
    if (answer === before || !field.checkValidity()) return;
    onAnswer(answer === "" ? undefined : numeric ? Number(answer) : answer);
  };
  return (
    <input
      type={numeric ? "number" : "text"}
      aria-label={name}
      dir="auto"
      min={dimension.min}
      max={dimension.max}
      step={numeric ? (dimension.step ?? "any") : undefined}
      maxLength={1000}
      value={typed}
      onChange={(event) => setTyped(event.target.value)}
      onBlur={(event) => save(event.currentTarget)}
      onKeyDown={(event) => {
        if (event.key !== "Enter" || event.nativeEvent.isComposing) return;
        event.preventDefault();
        if (event.currentTarget.reportValidity()) save(event.currentTarget);
      }}
      className="min-h-9 w-full rounded-m border border-edge bg-paper px-3 text-sm user-invalid:border-danger pointer-coarse:text-base"
    />
  );
}
