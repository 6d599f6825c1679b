import { useQueryClient } from "@tanstack/react-query";
import { api } from "../api/client";
import { ApiError, failureOf } from "../api/http";
import { useT } from "../i18n";
import { useApp } from "./context";

/** Gives a conversation another title, wherever it is shown; an empty one or the same changes nothing. */
export function useRename(conversation: string, title: string): (changed: string) => Promise<void> {
  const t = useT();
  const { notices, sessions } = useApp();
  const queries = useQueryClient();
  return async (changed) => {
    if (changed === "" || changed === title) return;
    try {
      await api.rename(conversation, changed);
      sessions.known(conversation)?.rename(changed);
    } catch (error) {
      notices.fail(error instanceof ApiError && error.status === 0 ? { text: t.unreachable } : failureOf(error));
    }
    await queries.invalidateQueries({ queryKey: ["conversations"] });
  };
}
