import { useQueryClient } from "@tanstack/react-query";
import { ApiError, failureOf } from "../api/http";
import { agentsQuery } from "../api/queries";
import type { Conversation } from "../api/types";
import { exportAll, exportConversation, type Format } from "../chat/export";
import { useT } from "../i18n";
import { useApp } from "./context";

/** Saves one conversation, or all of them, as a file; what goes wrong is told. */
export function useExport() {
  const t = useT();
  const { notices } = useApp();
  const queries = useQueryClient();
  const names = async () => {
    const agents = (await queries.ensureQueryData(agentsQuery)).items;
    return { you: t.you, stoppedBy: t.stoppedBy, agent: (id: string | undefined) => agents.find((agent) => agent.id === id)?.name ?? t.answer };
  };
  const told = async (act: () => Promise<void>) => {
    try {
      await act();
    } catch (error) {
      notices.fail(error instanceof ApiError && error.status === 0 ? { text: t.unreachable } : failureOf(error));
    }
  };
  return {
    one: (conversation: Conversation, format: Format) => told(async () => exportConversation(conversation, format, await names())),
    async all(format: Format) {
      const abort = new AbortController();
      const end = notices.offer(t.collecting, { label: t.cancel, run: () => abort.abort() });
      await told(async () => {
        try {
          await exportAll(format, await names(), abort.signal);
        } catch (error) {
          if (!abort.signal.aborted) throw error;
        }
      });
      end();
    },
  };
}
