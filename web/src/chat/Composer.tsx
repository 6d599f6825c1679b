import { ArrowUp, Square } from "lucide-react";
import { useEffect, useLayoutEffect, useRef, useState } from "react";
import { store, stored } from "../app/storage";
import { useT } from "../i18n";

interface Props {
  /** Under which the draft is kept. */
  draftName: string;
  agentName: string;
  running: boolean;
  disabled: boolean;
  /** Sends; a rejection gives the text back. */
  onSend: (text: string) => Promise<void>;
  onStop: () => Promise<void>;
}

/** Where questions are written. What was typed and not sent is kept. */
export function Composer({ draftName, agentName, running, disabled, onSend, onStop }: Props) {
  const t = useT();
  const [text, setText] = useState(() => stored(`draft.${draftName}`) ?? "");
  const area = useRef<HTMLTextAreaElement>(null);
  const drafted = useRef(draftName);
  const ready = text.trim() !== "" && !disabled && !running;

  useEffect(() => {
    if (drafted.current === draftName) return;
    // A new conversation has got its id: what is typed meanwhile goes with it.
    store(`draft.${drafted.current}`, undefined);
    drafted.current = draftName;
    store(`draft.${draftName}`, text);
  }, [draftName, text]);
  useLayoutEffect(() => {
    const element = area.current;
    if (!element) return;
    element.style.height = "auto";
    element.style.height = `${element.scrollHeight}px`;
    // Measured from what is drawn, so the text itself does not appear above.
    // oxlint-disable-next-line react/exhaustive-effect-dependencies
  }, [text]);

  const change = (next: string) => {
    setText(next);
    store(`draft.${draftName}`, next);
  };
  const submit = async () => {
    if (!ready) return;
    const sent = text;
    change("");
    // The pressed button goes away, and the focus with it. On touch it would open the keyboard again.
    if (matchMedia("(pointer: fine)").matches) area.current?.focus();
    try {
      await onSend(sent.trim());
    } catch {
      // Whoever sent it has said why; here only the text must not be lost.
      setText((typed) => typed || sent);
      store(`draft.${drafted.current}`, sent);
    }
  };

  return (
    <form
      className="flex items-end gap-2 rounded-l border border-edge bg-raised py-1.5 ps-4 pe-1.5 shadow-low transition-colors focus-within:border-accent focus-within:outline focus-within:outline-accent"
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <textarea
        ref={area}
        id="message"
        aria-label={t.message}
        placeholder={t.messagePlaceholder(agentName)}
        dir="auto"
        rows={1}
        // Opening a conversation is asking to type in it; on touch this opens no keyboard.
        // oxlint-disable-next-line jsx-a11y/no-autofocus
        autoFocus
        value={text}
        onChange={(event) => change(event.target.value)}
        onKeyDown={(event) => {
          // 229: some browsers end a composition before they tell it was one.
          if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing || event.keyCode === 229) return;
          event.preventDefault();
          void submit();
        }}
        className="max-h-[40dvh] min-h-9 w-full flex-1 resize-none self-center bg-transparent py-1.5 text-base outline-none placeholder-shown:overflow-hidden placeholder-shown:text-ellipsis placeholder-shown:whitespace-nowrap"
      />
      {running ? (
        <StopButton onStop={onStop} />
      ) : (
        <button
          type="submit"
          aria-label={t.sendMessage}
          title={t.sendMessage}
          disabled={!ready}
          className="grid size-9 shrink-0 place-items-center rounded-full bg-accent text-on-accent transition-colors hover:bg-accent-strong disabled:bg-hover disabled:text-quiet pointer-coarse:size-11"
        >
          <ArrowUp size={18} strokeWidth={2.5} />
        </button>
      )}
    </form>
  );
}

function StopButton({ onStop }: { onStop: () => Promise<void> }) {
  const t = useT();
  const [stopping, setStopping] = useState(false);
  return (
    <button
      type="button"
      aria-label={t.stop}
      title={stopping ? t.stopping : t.stop}
      disabled={stopping}
      onClick={() => {
        setStopping(true);
        // When it worked the button goes away; when not, it can be pressed again.
        onStop().catch(() => setStopping(false));
      }}
      className="grid size-9 shrink-0 place-items-center rounded-full bg-ink text-paper transition-opacity disabled:opacity-50 pointer-coarse:size-11"
    >
      <Square size={13} fill="currentColor" />
    </button>
  );
}
