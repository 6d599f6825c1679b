import { createContext, useContext } from "react";
import type { Sessions } from "../chat/sessions";
import type { Ballots } from "../feedback/ballots";
import type { Notices } from "../ui/notices";
import type { Bin } from "./bin";
import type { Dialog } from "./dialogs";
import type { Observable } from "./observable";
import type { Preferences } from "./preferences";

/** What every part of the page may need; made once in main.tsx. */
export interface App {
  sessions: Sessions;
  ballots: Ballots;
  bin: Bin;
  notices: Notices;
  preferences: Preferences;
  dialog: Observable<Dialog | undefined>;
}

export const AppContext = createContext<App | undefined>(undefined);

export function useApp(): App {
  const app = useContext(AppContext);
  if (!app) throw new Error("the page was drawn without its App");
  return app;
}
