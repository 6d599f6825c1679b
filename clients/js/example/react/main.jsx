import { ChatContainer, MainContainer, Message, MessageInput, MessageList, TypingIndicator } from "@chatscope/chat-ui-kit-react";
import "@chatscope/chat-ui-kit-styles/dist/default/styles.min.css";
import { useRef, useState } from "react";
import { createRoot } from "react-dom/client";
import { Thumbprint } from "../../thumbprint.js";
import "../../thumbprint-feedback.js";
import "./main.css";

const client = new Thumbprint();
const agent = new URLSearchParams(location.search).get("agent") ?? "demo";

function Chat() {
  const [turns, setTurns] = useState([]);
  const conversation = useRef(undefined);
  const last = turns.at(-1);

  const change = (edit) => setTurns((all) => [...all.slice(0, -1), { ...all.at(-1), ...edit(all.at(-1)) }]);

  async function ask(_html, _text, question) {
    setTurns((all) => [...all, { key: all.length, question, answer: "", busy: true }]);
    try {
      for await (const { data } of client.ask(agent, { messages: [{ role: "user", content: question }], conversation_id: conversation.current })) {
        // The name comes first, so whatever becomes of the answer, it can be rated.
        if (data.type === "trace.client_request_id") change(() => ({ id: data.client_request_id }));
        if (data.type === "thumbprint.message") conversation.current = data.conversation_id;
        if (data.type === "response.output_text.delta") change(({ answer }) => ({ answer: answer + data.delta }));
        if (data.type === "error") change(({ answer }) => ({ answer: `${answer} (${data.message})` }));
      }
    } catch (error) {
      change(({ answer }) => ({ answer: `${answer} (${error.message})` }));
    }
    change(() => ({ busy: false }));
  }

  return (
    <MainContainer>
      <ChatContainer>
        <MessageList typingIndicator={last?.busy && !last.answer && <TypingIndicator content="The agent is thinking" />}>
          {turns.flatMap(({ key, question, answer, busy, id }) => [
            // As text: the kit's default is to take a message for HTML, and an answer is nobody's HTML.
            <Message key={`${key} question`} model={{ type: "text", message: question, sender: "You", direction: "outgoing", position: "single" }} />,
            <Message key={`${key} answer`} model={{ type: "text", message: answer, sender: "Agent", direction: "incoming", position: "single" }}>
              <Message.Footer>{!busy && id && <thumbprint-feedback client-request-id={id} client={client} />}</Message.Footer>
            </Message>,
          ])}
        </MessageList>
        <MessageInput placeholder="Ask something" attachButton={false} disabled={last?.busy} onSend={(...content) => void ask(...content)} />
      </ChatContainer>
    </MainContainer>
  );
}

createRoot(document.getElementById("root")).render(<Chat />);
