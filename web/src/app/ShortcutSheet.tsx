import { useT } from "../i18n";
import type { Messages } from "../i18n/en";
import { Button } from "../ui/controls";
import { Modal } from "../ui/Modal";
import { useApp } from "./context";
import { useObservable } from "./observable";
import { modKey } from "./shortcuts";

/** The list a person sees; what the keys do is in `useShortcuts` and in the composer. */
function listed(mod: string, shift: string): [keyof Messages["shortcutNames"], string[]][] {
  return [
    ["send", ["Enter"]],
    ["newline", [shift, "Enter"]],
    ["stop", ["Esc"]],
    ["search", [mod, "K"]],
    ["newChat", [mod, shift, "O"]],
    ["focus", [shift, "Esc"]],
    ["copyAnswer", [mod, shift, "C"]],
    ["copyCode", [mod, shift, ";"]],
    ["undo", [mod, "Z"]],
    ["help", [mod, "/"]],
  ];
}

export function ShortcutSheet({ onClose }: { onClose: () => void }) {
  const t = useT();
  const { preferences } = useApp();
  const on = useObservable(preferences.shortcuts);
  return (
    <Modal label={t.shortcuts} onClose={onClose}>
      <h2 className="text-lg font-semibold">{t.shortcuts}</h2>
      <dl className="mt-3 divide-y divide-line text-sm">
        {listed(modKey(t), t.shiftKey).map(([name, keys]) => (
          <div key={name} className="flex items-center justify-between gap-4 py-2">
            <dt>{t.shortcutNames[name]}</dt>
            <dd className="flex gap-1">
              {keys.map((key) => (
                <kbd key={key} className="rounded-s border border-line bg-sunken px-1.5 py-0.5 font-sans text-xs">
                  {key}
                </kbd>
              ))}
            </dd>
          </div>
        ))}
      </dl>
      <div className="mt-4 flex items-center justify-between gap-4">
        <label className="flex min-h-6 items-center gap-2 text-sm">
          <input type="checkbox" className="size-4 accent-accent" checked={on} onChange={(event) => preferences.setShortcuts(event.target.checked)} />
          {t.shortcutsOn}
        </label>
        <Button onClick={onClose}>{t.close}</Button>
      </div>
    </Modal>
  );
}
