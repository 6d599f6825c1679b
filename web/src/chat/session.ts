import { api } from "../api/client";
import { ApiError } from "../api/http";
import type { Approval, Content, Message } from "../api/types";
import { Observable } from "../app/observable";
import { pauses } from "../app/pauses";
import { addEvent, emptyAnswer, partsOfItems, textOf, type Answer } from "../stream/answer";
import type { Part } from "../stream/parts";
import { CutError, readEvents } from "../stream/reader";
import { choosing, renamed, withMessage, type Choices } from "./tree";

/** A message as the page holds it. `traceId` is the answer's client_request_id. */
export interface ChatMessage extends Message {
  parts: Part[];
}

export interface Chat {
  id?: string;
  title?: string;
  agentId?: string;
  load: "ready" | "loading" | "missing" | "failed";
  messages: readonly ChatMessage[];
  choices: Choices;
  /** The answer that is being written, if any. */
  running?: string;
  /** The connection to a running answer is lost and being sought again. */
  reconnecting?: boolean;
}

/** What a session tells the rest of the page. */
export interface Listener {
  /** The server has given the conversation its id. */
  named(session: Session, id: string): void;
  /** The list of conversations is no longer right. */
  changed(): void;
}

/** The parent of a first question, as a request says it: none at all would mean the newest answer. */
export const root = "root";

let sessionCount = 0;

/** How long a stop waits for the server to say what it is that shall be stopped. */
const patience = 3000;

/**
 * One conversation: its messages, and the one answer that may be running in it.
 * It outlives the component that shows it, so that an answer goes on while the
 * person reads another conversation.
 */
export class Session {
  /** Names the session before it has an id and after. */
  readonly key = ++sessionCount;
  readonly chat: Observable<Chat>;
  readonly #listener: Listener;
  #turn = 0;
  #stopWhenNamed = false;
  #abort: AbortController | undefined;

  constructor(listener: Listener, id?: string) {
    this.#listener = listener;
    this.chat = new Observable<Chat>({ id, load: id ? "loading" : "ready", messages: [], choices: {} });
    if (id) void this.load();
  }

  /** Reads the stored conversation, and joins an answer that is still running. */
  async load(): Promise<void> {
    const { id } = this.chat.get();
    if (!id) return;
    await this.#readStored(id).catch((error) => this.#update({ load: isGone(error) ? "missing" : "failed" }));
  }

  /** Takes over what happened meanwhile, in another tab or without the network; what is shown stays when that cannot be learnt. */
  async refresh(): Promise<void> {
    const { id, load, running } = this.chat.get();
    if (!id || load === "loading" || load === "missing" || running) return;
    await this.#readStored(id).catch((error) => {
      if (isGone(error)) this.#update({ load: "missing" });
    });
  }

  async #readStored(id: string): Promise<void> {
    const turn = this.#turn;
    const [conversation, stored] = await Promise.all([api.conversation(id), api.messages(id)]);
    // What was begun here meanwhile is newer than what was read.
    if (this.#turn !== turn) return;
    // A message asked here keeps its time: that is its identity on the page.
    const known = new Map(this.chat.get().messages.map((message) => [message.id, message.timestamp]));
    const messages = stored.map((message) => fromStored({ ...message, timestamp: known.get(message.id) ?? message.timestamp }));
    const last = messages.findLast((message) => message.role === "assistant" && message.agent_id);
    const running = messages.findLast((message) => message.status === "streaming");
    this.#update({
      load: "ready",
      title: conversation.title,
      agentId: last?.agent_id ?? conversation.agent_id,
      messages,
      running: running?.id,
    });
    if (running) void this.#rejoin(running.id, undefined);
  }

  /** Asks a question below `parent`; `root` puts it beside the first question. */
  async ask(agent: string, content: Content, parent: string | undefined): Promise<void> {
    const question = this.#local("user", parent === root ? "" : (parent ?? ""), content);
    await this.#invoke(agent, question.id, parent, [{ role: "user", content }], question);
  }

  /** Asks for another answer to a stored question. */
  async regenerate(agent: string, question: string): Promise<void> {
    await this.#invoke(agent, question, question, []);
  }

  /** Answers what the answer `asker` asked permission for; what follows is a new answer below it. */
  async approve(agent: string, asker: string, approvals: Approval[]): Promise<void> {
    await this.#invoke(agent, asker, asker, [], undefined, approvals);
  }

  async stop(): Promise<void> {
    const { running } = this.chat.get();
    if (!running) return;
    if (!running.startsWith("local-")) return void (await api.stop(running));
    // It outlives its connection, so it can only be stopped by the name it is about to get.
    this.#stopWhenNamed = true;
    const abort = this.#abort;
    setTimeout(() => this.chat.get().running === running && abort?.abort(), patience);
  }

  choose(id: string): void {
    const { messages, choices } = this.chat.get();
    this.#update({ choices: choosing(messages, choices, id) });
  }

  rename(title: string): void {
    this.#update({ title });
  }

  #update(change: Partial<Chat>): void {
    this.chat.set({ ...this.chat.get(), ...change });
  }

  #local(role: Message["role"], parent: string, content: Content): ChatMessage {
    const id = `local-${++this.#turn}-${role}`;
    const status = role === "user" ? "complete" : "streaming";
    return { id, parent_id: parent, role, content, status, timestamp: new Date().toISOString(), parts: [], rateable: false, feedback: [] };
  }

  async #invoke(agent: string, question: string, parent: string | undefined, messages: { role: string; content: Content }[], asked?: ChatMessage, approvals?: Approval[]) {
    const before = this.chat.get();
    const answer: ChatMessage = { ...this.#local("assistant", question, ""), agent_id: agent };
    const added = [...before.messages, ...(asked ? [asked] : []), answer];
    this.#update({ messages: added, choices: choosing(added, before.choices, answer.id), running: answer.id, agentId: agent });
    this.#abort = new AbortController();
    this.#stopWhenNamed = false;
    const turn = new Turn(answer.id, asked?.id);
    try {
      const response = await api.invoke(
        agent,
        {
          messages,
          approvals,
          conversation_id: before.id,
          parent_id: before.id ? parent : undefined,
          detach: true,
          stream: true,
        },
        this.#abort.signal,
      );
      await this.#read(turn, response);
    } catch (error) {
      if (turn.stored && !(error instanceof ApiError)) return this.#rejoin(turn.answerId, turn.lastEventId, turn.answer);
      // Nothing was stored: as if it had not been asked. The composer gives the text back.
      this.#update({ messages: before.messages, choices: before.choices, running: undefined });
      void this.refresh();
      if (!this.#abort.signal.aborted) throw error;
    }
  }

  /** Draws the events of one response into the message of `turn`. Throws CutError when it ends early. */
  async #read(turn: Turn, response: Response): Promise<void> {
    if (!response.body) throw new CutError();
    let frame = 0;
    const draw = () => {
      frame = 0;
      this.#draw(turn);
    };
    try {
      for await (const event of readEvents(response.body)) {
        turn.add(event);
        // At most one drawing per frame; a hidden page has no frames, so it draws at the end.
        if (turn.named()) this.#name(turn);
        else frame ||= requestAnimationFrame(draw);
      }
    } finally {
      cancelAnimationFrame(frame);
      this.#draw(turn);
    }
    this.#update({ running: undefined, reconnecting: undefined });
    this.#listener.changed();
  }

  /** Gives the stored ids of event 2 to what was shown under temporary ones. */
  #name(turn: Turn): void {
    const { answer } = turn;
    const chat = this.chat.get();
    let messages = chat.messages as ChatMessage[];
    if (turn.questionId && answer.parentId) messages = renamed(messages, turn.questionId, answer.parentId) as ChatMessage[];
    if (answer.messageId) messages = renamed(messages, turn.answerId, answer.messageId) as ChatMessage[];
    turn.answerId = answer.messageId ?? turn.answerId;
    const fresh = !chat.id && answer.conversationId;
    this.#update({
      messages,
      choices: choosing(messages, {}, turn.answerId),
      running: turn.answerId,
      id: chat.id ?? answer.conversationId,
    });
    this.#draw(turn);
    if (this.#stopWhenNamed && answer.messageId) void api.stop(answer.messageId).catch(() => {});
    if (fresh) this.#listener.named(this, fresh);
    this.#listener.changed();
  }

  #draw(turn: Turn): void {
    const { messages } = this.chat.get();
    const message = messages.find((other) => other.id === turn.answerId);
    if (!message) return;
    const { answer } = turn;
    const drawn: ChatMessage = {
      ...message,
      traceId: answer.clientRequestId ?? message.traceId,
      parts: answer.parts,
      content: textOf(answer.parts),
      status: answer.status,
      stopped_by: answer.stoppedBy,
      error: answer.error,
      traceSummary: answer.summary,
      // The server minted this id for this answer, so a rating has somewhere to land.
      rateable: answer.clientRequestId ? true : message.rateable,
    };
    this.#update({ messages: withMessage(messages, drawn) as ChatMessage[], title: answer.title ?? this.chat.get().title });
  }

  /**
   * Joins a running answer again until it has ended, however long that takes.
   * The server's store has the last word about what the answer is.
   */
  async #rejoin(message: string, lastEventId: string | undefined, answer: Answer = emptyAnswer): Promise<void> {
    const turn = new Turn(message, undefined, answer, lastEventId);
    for (const pause of pauses()) {
      try {
        this.#abort = new AbortController();
        const response = await api.join(message, turn.lastEventId, this.#abort.signal);
        this.#update({ reconnecting: undefined });
        turn.expectReplay();
        await this.#read(turn, response);
        return await this.refresh();
      } catch (error) {
        if (error instanceof ApiError && !error.temporary) {
          this.#update({ running: undefined, reconnecting: undefined });
          await this.refresh();
          return this.#lose(message, error);
        }
        this.#update({ reconnecting: true });
        await pause();
      }
    }
  }

  /** An answer of which nothing more can be learnt now is no more shown as being written. */
  #lose(id: string, { code = "", message }: ApiError): void {
    const { messages, running } = this.chat.get();
    const lost = messages.find((other) => other.id === id);
    if (running || lost?.status !== "streaming") return;
    this.#update({ messages: withMessage(messages, { ...lost, status: "failed", error: { code, message } }) as ChatMessage[] });
  }
}

/** One answer being read, across the connections that it takes. */
class Turn {
  answerId: string;
  answer: Answer;
  lastEventId: string | undefined;
  readonly questionId: string | undefined;
  #named: boolean;
  #first = false;

  constructor(answerId: string, questionId: string | undefined, answer: Answer = emptyAnswer, lastEventId?: string) {
    this.answerId = answerId;
    this.questionId = questionId;
    this.answer = answer;
    this.lastEventId = lastEventId;
    this.#named = !answerId.startsWith("local-");
  }

  get stored(): boolean {
    return this.answer.messageId !== undefined || !this.answerId.startsWith("local-");
  }

  /** The next event may be the first one again; then what was read before is read anew. */
  expectReplay(): void {
    this.#first = true;
  }

  add(event: { id: string | undefined; data: { type?: string } }): void {
    if (this.#first && (event.data.type === "trace.client_request_id" || Number(event.id) <= Number(this.lastEventId))) {
      this.answer = emptyAnswer;
    }
    this.#first = false;
    this.answer = addEvent(this.answer, event);
    if (event.id) this.lastEventId = event.id;
  }

  /** True once, when the stored ids have become known. */
  named(): boolean {
    if (this.#named || !this.answer.messageId) return false;
    this.#named = true;
    return true;
  }
}

function isGone(error: unknown): boolean {
  return error instanceof ApiError && error.status === 404;
}

function fromStored(message: Message): ChatMessage {
  return { ...message, parts: message.role === "assistant" ? partsOfItems(message.items ?? [], plainText(message.content)) : [] };
}

/** The text of a message's content, whichever of its two forms it has. */
export function plainText(content: Content): string {
  if (typeof content === "string") return content;
  return content.map((part) => part.text).filter((text) => typeof text === "string" && text !== "").join("\n");
}
