import { Check, Copy } from "lucide-react";
import { memo, useMemo, useState, type ReactNode } from "react";
import ReactMarkdown, { type Components } from "react-markdown";
import remarkGfm from "remark-gfm";
import { useT } from "../i18n";
import { IconButton } from "../ui/controls";
import { splitBlocks } from "./blocks";
import { Formula, useFormulas } from "./Formula";
import { Highlighted } from "./Highlighted";
import { withMaths } from "./maths";

/** Rendered Markdown. Only the block that changed is parsed again. */
export function Markdown({ text }: { text: string }) {
  const blocks = useMemo(() => splitBlocks(text), [text]);
  // Blocks are only ever added or changed at the end, so their place is their identity.
  // oxlint-disable-next-line react/no-array-index-key
  return blocks.map((block, place) => <Block key={place} text={block} />);
}

const plugins = [remarkGfm];

const Block = memo(function Block({ text }: { text: string }) {
  const written = useMemo(() => withMaths(text), [text]);
  const formulas = useFormulas(written.includes("$$"));
  const remarkPlugins = useMemo(() => (formulas ? [...plugins, formulas.plugin] : plugins), [formulas]);
  return (
    <div className="prose-block" dir="auto">
      <ReactMarkdown remarkPlugins={remarkPlugins} components={components}>
        {formulas ? written : text}
      </ReactMarkdown>
    </div>
  );
});

/** How `withMaths` marks inline maths that stands for itself. */
const displayed = "\\displaystyle ";

const components: Components = {
  a({ href = "", children }) {
    if (href.startsWith("#source-")) {
      return (
        <a className="cite" href={href}>
          {children}
        </a>
      );
    }
    // noreferrer too: where an answer was read is nobody's business.
    return (
      <a href={href} target="_blank" rel="noopener noreferrer nofollow">
        {children}
      </a>
    );
  },
  img: ({ src, alt }) => <Picture src={typeof src === "string" ? src : ""} alt={alt ?? ""} />,
  table: ({ children }) => (
    // Reachable by keyboard, because it scrolls on a narrow page.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div className="max-w-full overflow-x-auto" tabIndex={0} role="group">
      <table>{children}</table>
    </div>
  ),
  input: ({ checked }) => <TaskBox done={checked === true} />,
  pre: ({ children }) => <>{children}</>,
  code: ({ className, children }) => {
    const text = String(children);
    if (className?.includes("language-math")) return <Formula tex={text} display={!className.includes("math-inline") || text.startsWith(displayed)} />;
    const language = /language-(\S+)/.exec(className ?? "")?.[1];
    // A fenced block's text always ends with a line break; inline code never has one.
    return language || text.endsWith("\n") ? <CodeBlock title={language} text={text.replace(/\n$/, "")} /> : <code>{children}</code>;
  },
};

function TaskBox({ done }: { done: boolean }) {
  const t = useT();
  return <input type="checkbox" disabled checked={done} aria-label={done ? t.taskDone : t.taskOpen} />;
}

/** A picture is never fetched: a remote one would tell its server that the answer was read. */
function Picture({ src, alt }: { src: string; alt: string }): ReactNode {
  const t = useT();
  if (!/^https?:/.test(src)) return <span className="text-quiet">[{t.image(alt)}]</span>;
  return (
    <a href={src} target="_blank" rel="noopener noreferrer nofollow">
      {t.image(alt)}
    </a>
  );
}

interface CodeBlockProps {
  text: string;
  /** A language, or what the text is. */
  title?: string;
}

/** Code with its title and a copy button. */
export function CodeBlock({ text, title }: CodeBlockProps) {
  return (
    <figure className="relative overflow-hidden rounded-m border border-line bg-sunken">
      {title && <figcaption className="flex h-9 items-center border-b border-line px-3.5 text-xs text-quiet">{title}</figcaption>}
      <div className="absolute end-1 top-1 rounded-m bg-sunken">
        <CopyButton text={text} code />
      </div>
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <pre className="overflow-x-auto px-3.5 py-3 font-mono text-[0.8125rem] leading-relaxed" tabIndex={0} dir="ltr">
        <code>
          <Highlighted text={text} language={title} />
        </code>
      </pre>
    </figure>
  );
}

/** Copies, and shows that it did for a moment. */
export function CopyButton({ text, code = false }: { text: string; code?: boolean }) {
  const t = useT();
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await copyText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), 1500);
  };
  return (
    <IconButton label={code ? t.copyCode : t.copy} tip={copied ? t.copied : undefined} className={code ? "!size-7" : ""} onClick={() => void copy()}>
      {copied ? <Check size={16} className="text-accent" /> : <Copy size={16} />}
    </IconButton>
  );
}

/** The clipboard exists only in secure contexts; a plain http host needs the old way. */
export async function copyText(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "sr-only";
  // Within a modal dialog: the rest of the page takes no focus while there is one.
  (document.activeElement?.closest("dialog") ?? document.body).append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}
