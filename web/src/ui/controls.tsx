import { Tooltip } from "radix-ui";
import { useState, type ButtonHTMLAttributes, type ReactNode, type Ref } from "react";

type Native = ButtonHTMLAttributes<HTMLButtonElement> & { ref?: Ref<HTMLButtonElement> };

const looks = {
  primary: "bg-accent text-on-accent hover:bg-accent-strong",
  danger: "bg-danger text-on-accent hover:opacity-90",
  plain: "border border-line bg-raised hover:bg-hover",
  ghost: "text-quiet hover:bg-hover hover:text-ink",
};

interface ButtonProps extends Native {
  look?: keyof typeof looks;
}

export function Button({ look = "plain", className = "", ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      className={`inline-flex min-h-9 items-center justify-center gap-1.5 rounded-m px-3.5 text-sm font-medium transition-colors disabled:opacity-50 pointer-coarse:min-h-11 ${looks[look]} ${className}`}
      {...rest}
    />
  );
}

interface IconButtonProps extends Native {
  label: string;
  /** What the tooltip says, where it says more than the name. */
  tip?: string;
  children: ReactNode;
}

/** A button that shows only a picture; its name never changes with its state. */
export function IconButton({ label, tip, className = "", children, ...rest }: IconButtonProps) {
  return (
    <Tip text={tip ?? label}>
      <button
        type="button"
        aria-label={label}
        className={`inline-grid size-8 shrink-0 place-items-center rounded-m text-quiet transition-colors hover:bg-hover hover:text-ink disabled:pointer-events-none disabled:opacity-40 pointer-coarse:size-11 ${className}`}
        {...rest}
      >
        {children}
      </button>
    </Tip>
  );
}

interface TipProps {
  text: string;
  children: ReactNode;
}

/** Older browsers have no top layer for a tooltip. */
const popovers = "popover" in HTMLElement.prototype;

/** A few words on hover and focus. Names and states must not depend on it. */
export function Tip({ text, children }: TipProps) {
  const [trigger, setTrigger] = useState<HTMLElement | null>(null);
  const content = (
    <Tooltip.Content
      ref={onTop}
      sideOffset={6}
      collisionPadding={8}
      className="pop max-h-(--radix-tooltip-content-available-height) w-max max-w-[min(16rem,calc(100vw-1rem))] overflow-y-auto rounded-s bg-ink px-2 py-1 text-xs font-normal wrap-anywhere whitespace-normal text-paper"
    >
      {text}
    </Tooltip.Content>
  );
  return (
    <Tooltip.Root>
      <Tooltip.Trigger
        asChild
        ref={popovers ? undefined : setTrigger}
        // Only where the keyboard led: a focus given back after a click must not cover what is there.
        onFocus={(event) => event.currentTarget.matches(":focus-visible") || event.preventDefault()}
      >
        {children}
      </Tooltip.Trigger>
      {/* In place, like menus; else beside all that would cut it, but in its dialog. */}
      {popovers ? content : <Tooltip.Portal container={trigger?.closest("dialog")}>{content}</Tooltip.Portal>}
    </Tooltip.Root>
  );
}

/** Puts what it is placed in into the browser's top layer: there no message and no frame cuts it, and it is still in its dialog. */
function onTop(content: HTMLElement | null): void {
  const place = content?.parentElement;
  if (!popovers || !place || place.popover) return;
  place.popover = "manual";
  place.showPopover();
}

export const TipProvider = Tooltip.Provider;
