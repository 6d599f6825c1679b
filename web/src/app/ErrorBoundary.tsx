import { Component, type ReactNode } from "react";
import { useT } from "../i18n";
import { Button } from "../ui/controls";

interface State {
  failed: boolean;
}

/** Shows a way out where drawing failed, instead of an empty page. */
export class ErrorBoundary extends Component<{ children: ReactNode }, State> {
  override state: State = { failed: false };

  static getDerivedStateFromError(): State {
    return { failed: true };
  }

  override render() {
    return this.state.failed ? <Failed /> : this.props.children;
  }
}

function Failed() {
  const t = useT();
  return (
    <main className="grid h-full place-content-center gap-4 p-6 text-center">
      <p role="alert">{t.pageFailed}</p>
      <Button onClick={() => location.reload()}>{t.reload}</Button>
    </main>
  );
}
