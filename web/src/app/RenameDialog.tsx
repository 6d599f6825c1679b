import { useState } from "react";
import { useT } from "../i18n";
import { Button } from "../ui/controls";
import { Modal } from "../ui/Modal";
import { TitleField } from "./TitleField";
import { useRename } from "./useRename";

interface Props {
  conversation: string;
  title: string;
  onClose: () => void;
}

/** Asks for another title, where there is no row to type it in. */
export function RenameDialog({ conversation, title, onClose }: Props) {
  const t = useT();
  const rename = useRename(conversation, title);
  const [changed, setChanged] = useState(title);
  return (
    <Modal label={t.rename} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void rename(changed.trim());
          onClose();
        }}
      >
        <h2 className="text-lg font-semibold">{t.rename}</h2>
        <TitleField
          value={changed}
          onValue={setChanged}
          className="mt-3 min-h-10 w-full rounded-m border border-edge bg-paper px-3 text-sm pointer-coarse:min-h-11 pointer-coarse:text-base"
        />
        <div className="mt-4 flex justify-end gap-2">
          <Button onClick={onClose}>{t.cancel}</Button>
          <Button look="primary" type="submit" disabled={changed.trim() === ""}>
            {t.rename}
          </Button>
        </div>
      </form>
    </Modal>
  );
}
