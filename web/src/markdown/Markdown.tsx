import { memo, useMemo, type ReactNode } from "react";
import ReactMarkdown, { type Components } from "react-markdown";
import remarkGfm from "remark-gfm";
import { useT } from "../i18n";
import { CopyButton, type Copied } from "../ui/copy";
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
    return language || text.endsWith("\n") ? <CodeBlock kind="code" title={language} text={text.replace(/\n$/, "")} /> : <code>{children}</code>;
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
  kind?: Copied;
}

/** Code with its title and a copy button. */
export function CodeBlock({ text, title, kind }: CodeBlockProps) {
  const t = useT();
  return (
    <figure className="relative overflow-hidden rounded-m border border-line bg-sunken">
      {title && <figcaption className="flex h-9 items-center border-b border-line px-3.5 text-xs text-quiet">{title}</figcaption>}
      <div className="absolute end-1 top-1 rounded-m bg-sunken">
        <CopyButton text={text} label={kind ? t.copyCode : t.copyOf(title ?? "")} small kind={kind} />
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
