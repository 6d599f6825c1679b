/** The element's id of what opens a conversation's menu in the list. */
export const rowButton = (conversation: string): string => `options-${conversation}`;

/** The element's id of what has the focus when a conversation leaves the list: another one's menu, or a new chat. None where the focus is not in the list. */
export function besides(conversation: string): string | undefined {
  const list = document.activeElement?.closest("[data-history]");
  if (!list) return undefined;
  const buttons = [...list.querySelectorAll(`li button[id^="${rowButton("")}"]`)];
  const at = buttons.findIndex(({ id }) => id === rowButton(conversation));
  return (buttons[at + 1] ?? buttons[at - 1])?.id ?? "new-chat";
}
