import { firstLanguage, languages, type Language } from "../i18n";
import { Observable } from "./observable";
import { store, stored } from "./storage";

export type Theme = "light" | "dark" | "system";

const themes: ReadonlySet<string> = new Set(["light", "dark", "system"]);

/** What the person chose, kept in this browser. */
export class Preferences {
  readonly theme: Observable<Theme>;
  readonly language: Observable<Language>;
  readonly shortcuts: Observable<boolean>;
  readonly agent: Observable<string | undefined>;

  constructor() {
    const theme = stored("theme") ?? "";
    this.theme = new Observable<Theme>(themes.has(theme) ? (theme as Theme) : "system");
    this.language = new Observable(firstLanguage(stored("language"), navigator.languages));
    this.shortcuts = new Observable(stored("shortcuts") !== "off");
    this.agent = new Observable(stored("agent"));
    const apply = () => {
      document.documentElement.dataset.theme = this.theme.get();
      document.documentElement.lang = this.language.get();
      document.documentElement.dir = languages[this.language.get()].direction;
    };
    this.theme.watch(apply);
    this.language.watch(apply);
    apply();
  }

  setTheme(theme: Theme): void {
    this.theme.set(theme);
    store("theme", theme);
  }

  setLanguage(language: Language): void {
    this.language.set(language);
    store("language", language);
  }

  setShortcuts(on: boolean): void {
    this.shortcuts.set(on);
    store("shortcuts", on ? undefined : "off");
  }

  setAgent(agent: string): void {
    this.agent.set(agent);
    store("agent", agent);
  }
}
