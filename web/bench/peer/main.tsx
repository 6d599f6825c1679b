// How most chats draw a stream: all of the text through react-markdown, at each piece.
import { useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import ReactMarkdown from "react-markdown";
import remarkGfm from "remark-gfm";
import { Thumbprint } from "../../../clients/js/thumbprint.js";

function Peer() {
  const [text, setText] = useState("");
  useEffect(() => {
    const ask = async () => {
      for await (const { data } of new Thumbprint().ask("bench", { messages: [{ role: "user", content: "A long answer" }] })) {
        if (data.type === "response.output_text.delta") setText((before) => before + String(data.delta));
      }
      document.title = "done";
    };
    void ask();
  }, []);
  useEffect(() => {
    scrollTo(0, document.body.scrollHeight);
  });
  return <ReactMarkdown remarkPlugins={[remarkGfm]}>{text}</ReactMarkdown>;
}

createRoot(document.getElementById("root") as HTMLElement).render(<Peer />);
