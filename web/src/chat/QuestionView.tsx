import { Pencil } from "lucide-react";
import { memo, useState } from "react";
import { useT } from "../i18n";
import { Button, IconButton } from "../ui/controls";
import { CopyButton } from "../ui/copy";
import { useFocusBack } from "../ui/focus";
import { sameProps } from "../ui/sameProps";
import { Siblings } from "./AnswerView";
import { plainText, type ChatMessage } from "./session";

/** Edits that are on their way; one that is refused opens its editor again, with its text. */
const edits = new Map<string, string>();

export function keepEdit(message: string, text: string | undefined): void {
  if (text === undefined) edits.delete(message);
  else edits.set(message, text);
}

interface Props {
  message: ChatMessage;
  siblings: string[];
  busy: boolean;
  onChoose: (id: string) => void;
  onEdit: (message: ChatMessage, text: string) => void;
}

/** One question. Editing it begins a new branch; the old one stays. */
export const QuestionView = memo(function QuestionView({ message, siblings, busy, onChoose, onEdit }: Props) {
  const t = useT();
  const [editing, setEditing] = useState(() => !busy && edits.has(message.id));
  const { opener, giveBack } = useFocusBack(editing);
  const text = plainText(message.content);
  if (editing) {
    return (
      <Editor
        text={edits.get(message.id) ?? text}
        onCancel={() => {
          keepEdit(message.id, undefined);
          giveBack();
          setEditing(false);
        }}
        onSend={(changed) => {
          setEditing(false);
          // As after any question; on touch it would open the keyboard again.
          if (matchMedia("(pointer: fine)").matches) document.getElementById("message")?.focus();
          onEdit(message, changed);
        }}
      />
    );
  }
  return (
    <article aria-label={t.yourMessage} data-message-id={message.id} className="group flex flex-col items-end">
      <div dir="auto" className="max-w-[85%] rounded-l rounded-ee-s bg-accent-soft px-4 py-2.5 whitespace-pre-wrap wrap-anywhere">
        {text}
      </div>
      <div className="mt-1 flex min-h-8 items-center pointer-fine:opacity-0 group-focus-within:opacity-100 group-hover:opacity-100">
        <CopyButton text={text} />
        <IconButton ref={opener} label={t.editMessage} disabled={busy || message.id.startsWith("local-")} onClick={() => setEditing(true)}>
          <Pencil size={15} />
        </IconButton>
        <Siblings id={message.id} siblings={siblings} onChoose={onChoose} />
      </div>
    </article>
  );
}, sameProps);

interface EditorProps {
  text: string;
  onCancel: () => void;
  onSend: (text: string) => void;
}

function Editor({ text, onCancel, onSend }: EditorProps) {
  const t = useT();
  const [changed, setChanged] = useState(text);
  const ready = changed.trim() !== "";
  return (
    <form
      className="mb-3 rounded-l border border-edge bg-raised p-3 focus-within:border-accent focus-within:outline focus-within:outline-accent"
      onSubmit={(event) => {
        event.preventDefault();
        if (ready) onSend(changed.trim());
      }}
    >
      <textarea
        aria-label={t.editYourMessage}
        dir="auto"
        // The person has just asked to type here.
        // oxlint-disable-next-line jsx-a11y/no-autofocus
        autoFocus
        rows={Math.min(12, changed.split("\n").length + 1)}
        value={changed}
        onChange={(event) => setChanged(event.target.value)}
        onKeyDown={(event) => {
          if (event.nativeEvent.isComposing) return;
          if (event.key === "Escape") {
            event.stopPropagation();
            onCancel();
          }
          if (event.key === "Enter" && !event.shiftKey) {
            event.preventDefault();
            event.currentTarget.form?.requestSubmit();
          }
        }}
        className="block w-full resize-none bg-transparent outline-none"
      />
      <div className="mt-2 flex justify-end gap-2">
        <Button look="ghost" onClick={onCancel}>
          {t.cancel}
        </Button>
        <Button look="primary" type="submit" disabled={!ready}>
          {t.sendEdited}
        </Button>
      </div>
    </form>
  );
}
