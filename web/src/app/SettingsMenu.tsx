import { FileJson, FileText, Keyboard, Link2, Settings2 } from "lucide-react";
import { languages, useT, type Language } from "../i18n";
import { Menu, MenuChoice, MenuItem, MenuLine } from "../ui/menu";
import { useApp } from "./context";
import { useObservable } from "./observable";
import type { Theme } from "./preferences";
import { useExport } from "./useExport";

export function SettingsMenu({ onLeave }: { onLeave?: () => void }) {
  const t = useT();
  const { preferences, dialog } = useApp();
  const save = useExport();
  const theme = useObservable(preferences.theme);
  const language = useObservable(preferences.language);
  return (
    <Menu
      side="top"
      trigger={
        <button type="button" className="inline-flex min-h-9 items-center gap-2 rounded-m px-3.5 text-sm text-quiet hover:bg-hover hover:text-ink pointer-coarse:min-h-11">
          <Settings2 size={16} />
          {t.settings}
        </button>
      }
    >
      <MenuChoice
        label={t.theme}
        value={theme}
        onChange={(value) => preferences.setTheme(value as Theme)}
        options={[
          { value: "light", name: t.themeLight },
          { value: "dark", name: t.themeDark },
          { value: "system", name: t.themeSystem },
        ]}
      />
      <MenuLine />
      <MenuChoice
        label={t.language}
        value={language}
        onChange={(value) => preferences.setLanguage(value as Language)}
        options={Object.entries(languages).map(([value, { languageName }]) => ({ value, name: languageName }))}
      />
      <MenuLine />
      <MenuItem icon={<Link2 size={15} />} onSelect={() => (onLeave?.(), dialog.set({ kind: "links" }))}>
        {t.sharedLinks}
      </MenuItem>
      <MenuItem icon={<FileText size={15} />} onSelect={() => (onLeave?.(), void save.all("markdown"))}>
        {t.exportAllMarkdown}
      </MenuItem>
      <MenuItem icon={<FileJson size={15} />} onSelect={() => (onLeave?.(), void save.all("json"))}>
        {t.exportAllJson}
      </MenuItem>
      <MenuItem icon={<Keyboard size={15} />} onSelect={() => dialog.set({ kind: "shortcuts" })}>
        {t.shortcuts}
      </MenuItem>
    </Menu>
  );
}
