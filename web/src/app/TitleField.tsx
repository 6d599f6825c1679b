import { useEffect, useRef, type ComponentProps } from "react";
import { useT } from "../i18n";

interface Props extends Pick<ComponentProps<"input">, "value" | "className" | "onBlur" | "onKeyDown"> {
  onValue: (changed: string) => void;
}

/** Where a conversation's title is typed; the old one is selected, to be typed over. */
export function TitleField({ onValue, ...rest }: Props) {
  const t = useT();
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.select(), []);
  return <input ref={field} aria-label={t.conversationTitle} dir="auto" maxLength={200} onChange={(event) => onValue(event.target.value)} {...rest} />;
}
