import { Thumbprint } from "../thumbprint.js";
import "../thumbprint-feedback.js";

const client = new Thumbprint();
const agent = new URLSearchParams(location.search).get("agent") ?? "demo";
const answers = document.getElementById("answers");
const form = document.getElementById("ask");
let conversation;

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const field = form.elements.question;
  const question = field.value;
  field.value = "";
  const article = document.createElement("article");
  article.innerHTML = '<p class="question"></p><p class="text"></p>';
  article.querySelector(".question").textContent = question;
  answers.append(article);
  await answer(question, article);
});

async function answer(question, article) {
  const text = article.querySelector(".text");
  const thumbs = document.createElement("thumbprint-feedback");
  thumbs.client = client;
  try {
    for await (const { data } of client.ask(agent, { messages: [{ role: "user", content: question }], conversation_id: conversation })) {
      // The name comes first, so whatever becomes of the answer, it can be rated.
      if (data.type === "trace.client_request_id") thumbs.setAttribute("client-request-id", data.client_request_id);
      if (data.type === "thumbprint.message") conversation = data.conversation_id;
      if (data.type === "response.output_text.delta") text.append(data.delta);
      if (data.type === "error") text.append(` (${data.message})`);
    }
  } catch (error) {
    text.append(` (${error.message})`);
  }
  if (thumbs.hasAttribute("client-request-id")) article.append(thumbs);
}
