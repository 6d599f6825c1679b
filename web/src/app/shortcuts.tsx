import { useEffect, useRef } from "react";
import { useT } from "../i18n";
import type { Messages } from "../i18n/en";
import { Button } from "../ui/controls";
import { Modal } from "../ui/Modal";
import { useApp } from "./context";
import { useObservable } from "./observable";

const mac = /Mac|iPhone|iPad/.test(navigator.platform);
const mod = mac ? "⌘" : "Ctrl";

/** The list a person sees; what the keys do is in `useShortcuts` and in the composer. */
const list: [keyof Messages["shortcutNames"], string[]][] = [
  ["send", ["Enter"]],
  ["newline", ["Shift", "Enter"]],
  ["stop", ["Esc"]],
  ["search", [mod, "K"]],
  ["newChat", [mod, "Shift", "O"]],
  ["focus", ["Shift", "Esc"]],
  ["copyAnswer", [mod, "Shift", "C"]],
  ["copyCode", [mod, "Shift", ";"]],
  ["help", [mod, "/"]],
];

export type Shortcut = "stop" | "search" | "newChat" | "focus" | "copyAnswer" | "copyCode" | "help";

/** Does `actions` on their keys, where there is something to act on and while the person has shortcuts switched on. False is: nothing to do. */
export function useShortcuts(actions: Record<Shortcut, () => boolean | void>, here: boolean) {
  const { preferences } = useApp();
  const on = useObservable(preferences.shortcuts) && here;
  const latest = useRef(actions);
  useEffect(() => {
    latest.current = actions;
  });
  useEffect(() => {
    if (!on) return;
    const listen = (event: KeyboardEvent) => {
      const shortcut = shortcutOf(event);
      if (!shortcut) return;
      if (shortcut === "stop" && meansSomethingElse(event)) return;
      if (latest.current[shortcut]() !== false) event.preventDefault();
    };
    // Before others: a tooltip would take Esc for itself.
    addEventListener("keydown", listen, { capture: true });
    return () => removeEventListener("keydown", listen, { capture: true });
  }, [on]);
}

/** Esc also closes menus, forms and dialogs, leaves fields, and ends a composition; those come first. */
function meansSomethingElse({ target, isComposing }: KeyboardEvent): boolean {
  return isComposing || document.querySelector("dialog[open], [role=dialog], [role=menu]") !== null || (target instanceof Element && target.matches("input, textarea:not(#message)"));
}

function shortcutOf(event: KeyboardEvent): Shortcut | undefined {
  if (event.key === "Escape") return event.shiftKey ? "focus" : "stop";
  if (!(mac ? event.metaKey : event.ctrlKey) || event.altKey) return undefined;
  const key = event.key.toLowerCase();
  // By its place too: with Shift the key says ":", or something else on another keyboard.
  if (event.shiftKey && (key === ";" || event.code === "Semicolon")) return "copyCode";
  if (event.shiftKey) return key === "o" ? "newChat" : key === "c" ? "copyAnswer" : key === "/" ? "help" : undefined;
  return key === "k" ? "search" : key === "/" ? "help" : undefined;
}

export function ShortcutSheet({ onClose }: { onClose: () => void }) {
  const t = useT();
  const { preferences } = useApp();
  const on = useObservable(preferences.shortcuts);
  return (
    <Modal label={t.shortcuts} onClose={onClose}>
      <h2 className="text-lg font-semibold">{t.shortcuts}</h2>
      <dl className="mt-3 divide-y divide-line text-sm">
        {list.map(([name, keys]) => (
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
