import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { Direction } from "radix-ui";
import { StrictMode, useMemo } from "react";
import { createRoot } from "react-dom/client";
import { api } from "./api/client";
import { ApiError, failureOf } from "./api/http";
import { Bin } from "./app/bin";
import { AppContext, type App } from "./app/context";
import { ErrorBoundary } from "./app/ErrorBoundary";
import type { Dialog } from "./app/dialogs";
import { Observable, useObservable } from "./app/observable";
import { Preferences } from "./app/preferences";
import { go, here } from "./app/router";
import { Shell } from "./app/Shell";
import { forgetConversation } from "./app/storage";
import { Sessions } from "./chat/sessions";
import { Ballots } from "./feedback/ballots";
import { I18nProvider, languages } from "./i18n";
import "./styles.css";
import { TipProvider } from "./ui/controls";
import { NoticeRegions, Notices } from "./ui/notices";

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // A refusal stays one; only what may pass is asked again.
      retry: (count, error) => count < 3 && (!(error instanceof ApiError) || error.temporary),
    },
  },
});

function createApp(): App {
  const notices = new Notices();
  const changed = () => void queries.invalidateQueries({ queryKey: ["conversations"] });
  const sessions = new Sessions({
    named(id) {
      const place = here();
      if (place.page === "chat" && !place.conversation) go({ page: "chat", conversation: id }, "replace");
    },
    changed,
  });
  return {
    notices,
    bin: new Bin({
      async remove(id, leaving) {
        forgetConversation(id);
        await api.remove(id, leaving);
        sessions.forget(id);
      },
      changed,
      failed: (error) => notices.fail(failureOf(error)),
    }),
    preferences: new Preferences(),
    dialog: new Observable<Dialog | undefined>(undefined),
    ballots: new Ballots(notices.fail),
    sessions,
  };
}

function Root({ app }: { app: App }) {
  const language = useObservable(app.preferences.language);
  const i18n = useMemo(() => ({ t: languages[language], language }), [language]);
  return (
    <I18nProvider value={i18n}>
      <AppContext value={app}>
        <QueryClientProvider client={queries}>
          <Direction.Provider dir={i18n.t.direction}>
            <TipProvider delayDuration={400}>
              <ErrorBoundary>
                <Shell />
              </ErrorBoundary>
              <NoticeRegions notices={app.notices} />
            </TipProvider>
          </Direction.Provider>
        </QueryClientProvider>
      </AppContext>
    </I18nProvider>
  );
}

// A new binary may have renamed a part of the page that this old page still asks for.
// Once: what stays away is a part's own failure, and a reload without a network would lose what is typed.
addEventListener("vite:preloadError", () => {
  const before = Number(sessionStorage.getItem("reloaded"));
  if (!navigator.onLine || Date.now() - before < 60_000) return;
  sessionStorage.setItem("reloaded", String(Date.now()));
  location.reload();
});

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <Root app={createApp()} />
    </StrictMode>,
  );
}
