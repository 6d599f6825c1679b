import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { Direction } from "radix-ui";
import { StrictMode, useMemo } from "react";
import { createRoot } from "react-dom/client";
import { api } from "./api/client";
import { ApiError, failureOf } from "./api/http";
import { agentsQuery, conversationsQuery } from "./api/queries";
import { Bin } from "./app/bin";
import { AppContext, type App } from "./app/context";
import { ErrorBoundary } from "./app/ErrorBoundary";
import type { Dialog } from "./app/dialogs";
import { rest } from "./app/later";
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

/** What the first view needs is asked for before it is drawn; the rest of the page when there is time for it. */
function begin(): void {
  const place = here();
  if (place.page === "share") return;
  void queries.prefetchQuery(agentsQuery);
  void queries.prefetchInfiniteQuery(conversationsQuery(""));
  if (place.page === "chat" && place.conversation) void rest.load();
  else if ("requestIdleCallback" in globalThis) requestIdleCallback(rest.load);
  else setTimeout(rest.load, 500); // Safari
}

// A new binary may have renamed a part of the page that this old page still asks for.
// Once: what stays away is a part's own failure; and not while the server is away, for then a reload would lose the page.
addEventListener("vite:preloadError", async () => {
  const before = Number(sessionStorage.getItem("reloaded"));
  if (Date.now() - before < 60_000 || !(await fetch("/").then(({ ok }) => ok, () => false))) return;
  sessionStorage.setItem("reloaded", String(Date.now()));
  location.reload();
});

const root = document.getElementById("root");
if (root) {
  // Not within the module: with a browser's tools attached, the whole file would be parsed again for the requests' stacks.
  queueMicrotask(begin);
  createRoot(root).render(
    <StrictMode>
      <Root app={createApp()} />
    </StrictMode>,
  );
}
