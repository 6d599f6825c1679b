// <thumbprint-feedback client-request-id="req-…">: the two thumbs of an answer,
// and what follows a vote. Looks are CSS variables; see README.md.
import { Thumbprint } from "./thumbprint.js";

const usual = {
  up: ["accurate", "clear", "thorough", "creative", "followed_instructions", "other"],
  down: ["inaccurate", "incomplete", "not_what_i_asked", "did_not_follow_instructions", "outdated", "too_long", "bad_style", "unjustified_refusal", "unsafe", "slow", "other"],
};

const words = {
  en: {
    rate: "Rate this answer", up: "Good response", down: "Bad response", good: "What was good?", bad: "What went wrong?",
    comment: "Comment", more: "Tell us more (optional)", send: "Send", skip: "Skip", edit: "Edit your comment", again: "Try again",
    sending: "Saving…", waiting: "Will be sent", delivered: "On the trace", saved: "Saved", failed: "Not delivered", refused: "The rating was not saved",
    reasons: {
      not_what_i_asked: "Not what I asked", did_not_follow_instructions: "Didn’t follow instructions", bad_style: "Style or tone",
      unjustified_refusal: "Refused without reason", unsafe: "Unsafe or offensive", slow: "Too slow",
    },
  },
  de: {
    rate: "Diese Antwort bewerten", up: "Gute Antwort", down: "Schlechte Antwort", good: "Was war gut?", bad: "Was war nicht gut?",
    comment: "Kommentar", more: "Erzähl uns mehr (freiwillig)", send: "Senden", skip: "Überspringen", edit: "Deinen Kommentar bearbeiten", again: "Erneut versuchen",
    sending: "Wird gespeichert…", waiting: "Wird noch gesendet", delivered: "Am Trace", saved: "Gespeichert", failed: "Nicht zugestellt", refused: "Die Bewertung wurde nicht gespeichert",
    reasons: {
      accurate: "Richtig", clear: "Klar", thorough: "Gründlich", creative: "Kreativ", followed_instructions: "Vorgaben befolgt", other: "Anderes",
      inaccurate: "Falsch", incomplete: "Unvollständig", not_what_i_asked: "Nicht das Gefragte", did_not_follow_instructions: "Vorgaben nicht befolgt", outdated: "Veraltet", too_long: "Zu lang",
      bad_style: "Stil oder Ton", unjustified_refusal: "Grundlos abgelehnt", unsafe: "Unsicher oder verletzend", slow: "Zu langsam",
    },
  },
};

const look = `
:host { display: inline-block; max-width: 100%; color: var(--thumbprint-ink, CanvasText); font: var(--thumbprint-font, inherit); }
:host([hidden]) { display: none; }
.row { display: flex; align-items: center; gap: 0.25rem; flex-wrap: wrap; }
button { font: inherit; color: inherit; cursor: pointer; min-width: 2rem; min-height: 2rem; border: 1px solid transparent; border-radius: var(--thumbprint-radius, 0.5rem); background: none; }
button:hover { background: var(--thumbprint-hover, color-mix(in srgb, currentColor 10%, transparent)); }
button:focus-visible, textarea:focus-visible { outline: 2px solid var(--thumbprint-accent, #0e6b60); outline-offset: 2px; }
.thumb { display: grid; place-items: center; padding: 0; }
.thumb[aria-pressed="true"] { color: var(--thumbprint-accent, #0e6b60); }
.thumb[aria-pressed="true"] path { fill: currentColor; }
svg { width: 1.1rem; height: 1.1rem; fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linejoin: round; stroke-linecap: round; }
.down svg { transform: rotate(180deg); }
.state { font-size: 0.8em; color: var(--thumbprint-quiet, color-mix(in srgb, currentColor 75%, transparent)); }
.state.failed, .error { color: var(--thumbprint-danger, #a8281d); }
.panel { margin-top: 0.5rem; padding: 0.75rem; max-width: 24rem; background: var(--thumbprint-surface, Canvas); border: 1px solid var(--thumbprint-line, color-mix(in srgb, currentColor 20%, transparent)); border-radius: var(--thumbprint-radius, 0.5rem); }
.title { font-weight: 600; margin: 0 0 0.5rem; }
.chips { display: flex; flex-wrap: wrap; gap: 0.35rem; }
.chips button { border-color: var(--thumbprint-line, color-mix(in srgb, currentColor 50%, transparent)); border-radius: 999px; padding: 0 0.7rem; font-size: 0.85em; }
.chips button[aria-pressed="true"] { border-color: var(--thumbprint-accent, #0e6b60); color: var(--thumbprint-accent, #0e6b60); font-weight: 600; }
textarea { box-sizing: border-box; width: 100%; margin: 0.5rem 0; font: inherit; color: inherit; background: none; border: 1px solid var(--thumbprint-line, color-mix(in srgb, currentColor 50%, transparent)); border-radius: var(--thumbprint-radius, 0.5rem); padding: 0.4rem 0.6rem; }
.send { background: var(--thumbprint-accent, #0e6b60); color: var(--thumbprint-on-accent, #fff); padding: 0 0.8rem; }
.send:hover { background: var(--thumbprint-accent, #0e6b60); filter: brightness(0.9); }
.plain { padding: 0 0.8rem; }
.said { max-width: 14rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; font-size: 0.8em; text-decoration: underline; color: var(--thumbprint-quiet, color-mix(in srgb, currentColor 75%, transparent)); }
.error { font-size: 0.85em; margin: 0.5rem 0 0; }
@media (pointer: coarse) { button { min-width: 2.75rem; min-height: 2.75rem; } }
`;

/** Elements of one base share a client, so that what is kept for later is sent once. */
const clients = new Map();

function clientFor(base) {
  if (!clients.has(base)) clients.set(base, new Thumbprint({ base }));
  return clients.get(base);
}

export class ThumbprintFeedback extends HTMLElement {
  static observedAttributes = ["client-request-id", "name", "agent-id", "source-id", "base", "reasons-up", "reasons-down", "lang"];

  #client;
  #ballot;
  #root = this.attachShadow({ mode: "open" });
  #thumbs = make("span", { role: "group", class: "row" });
  /** Always there: a live region that appears with its text is often not read. */
  #status = make("span", { role: "status" });
  #more = make("span", {});
  #form = make("div", {});
  #open;
  #draft = { reasons: [], comment: "" };
  #sent = false;
  #change = () => this.#changed();

  constructor() {
    super();
    // Not a <style>: a strict Content Security Policy allows this and not that.
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(look);
    this.#root.adoptedStyleSheets = [sheet];
    const row = make("div", { class: "row", part: "row" });
    row.append(this.#thumbs, this.#status, this.#more);
    this.#root.append(row, this.#form);
    this.#root.addEventListener("keydown", (event) => this.#key(event));
  }

  /** The client to send with; without one, all elements share a client for the attribute `base`. */
  set client(client) {
    this.#client = client;
    this.#attach();
  }

  /** What is shown now: {value, reasons, comment, sync, delivery, …}. */
  get state() {
    return this.#ballot?.state;
  }

  connectedCallback() {
    this.#attach();
  }

  disconnectedCallback() {
    this.#ballot?.removeEventListener("change", this.#change);
    this.#ballot = undefined;
  }

  attributeChangedCallback(name) {
    if (!this.isConnected) return;
    if (["lang", "reasons-up", "reasons-down"].includes(name)) this.#draw();
    else this.#attach();
  }

  get #words() {
    const language = this.closest("[lang]")?.lang || navigator.language;
    return words[language.split("-")[0]] ?? words.en;
  }

  #attach() {
    const clientRequestId = this.getAttribute("client-request-id");
    this.hidden = !clientRequestId;
    const ballot = clientRequestId && this.isConnected ? this.#ballotOf(clientRequestId) : undefined;
    // Markup that was there before this script tells each attribute by itself, and then that it is in the page.
    if (ballot === this.#ballot) return;
    this.disconnectedCallback();
    if (!ballot) return;
    this.#ballot = ballot;
    this.#ballot.addEventListener("change", this.#change);
    this.#ballot.load().catch(() => {
      // Not known yet, or not reachable: a press tells what there is to tell.
    });
    this.#draw();
  }

  #ballotOf(clientRequestId) {
    const client = this.#client ?? clientFor(this.getAttribute("base") ?? "");
    return client.ballot({
      clientRequestId,
      name: this.getAttribute("name") ?? "user_feedback",
      agentId: this.getAttribute("agent-id") ?? undefined,
      sourceId: this.getAttribute("source-id") ?? undefined,
    });
  }

  #changed() {
    const { sync } = this.state;
    if (this.#sent && sync !== "sending" && sync !== "refused") this.#close(true);
    // Nothing to rate any more: a form would only promise otherwise.
    if (sync === "refused" && this.state.error?.status === 404) this.#open = undefined;
    if (sync === "refused") this.#sent = false;
    this.#draw();
    this.dispatchEvent(new CustomEvent("thumbprint-change", { bubbles: true, composed: true, detail: this.state }));
  }

  #press(side) {
    if (this.state.value === side) {
      this.#open = undefined;
      this.#ballot.clear();
      return;
    }
    this.#open = side;
    this.#draft = { reasons: [], comment: "" };
    this.#sent = false;
    this.#ballot.vote(side);
  }

  #send() {
    this.#sent = true;
    this.#ballot.vote(this.#open, { reasons: this.#draft.reasons, comment: this.#draft.comment.trim() });
  }

  #close(focus) {
    const side = this.#open;
    this.#open = undefined;
    this.#sent = false;
    this.#draw();
    if (focus) this.#root.querySelector(side ? ".up" : ".down")?.focus();
  }

  #key(event) {
    if (this.#open === undefined) return;
    if (event.key === "Escape") this.#close(true);
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) this.#send();
  }

  /** Draws everything anew, but keeps the focus and what is being typed: both are found again by their key. */
  #draw() {
    if (!this.#ballot) return;
    const focused = this.#root.activeElement?.dataset.key;
    const field = this.#root.querySelector("textarea");
    const caret = field && [field.selectionStart, field.selectionEnd];
    this.#drawThumbs();
    this.#drawStatus();
    this.#form.replaceChildren(...(this.#open === undefined ? [] : [this.#panel()]));
    if (!focused) return;
    const again = this.#root.querySelector(`[data-key="${CSS.escape(focused)}"]`);
    again?.focus();
    if (again?.matches("textarea") && caret) again.setSelectionRange(...caret);
  }

  #drawThumbs() {
    const t = this.#words;
    this.#thumbs.setAttribute("aria-label", t.rate);
    const thumbs = [true, false].map((side) => {
      const name = side ? "up" : "down";
      const thumb = make("button", { type: "button", class: `thumb ${name}`, part: `button ${name}`, "aria-label": t[name], "aria-pressed": this.state.value === side, "data-key": name });
      thumb.append(picture());
      thumb.addEventListener("click", () => this.#press(side));
      return thumb;
    });
    this.#thumbs.replaceChildren(...thumbs);
  }

  #drawStatus() {
    const t = this.#words;
    const { value, comment, sync, delivery, deliveryReason, error } = this.state;
    let key = "";
    if (sync !== "idle") key = sync;
    else if (value !== undefined) key = delivery?.startsWith("waiting") ? "saved" : (delivery ?? "");
    set(this.#status, { class: `state ${key === "refused" ? "failed" : key}`, part: "state", "data-delivery": key, title: deliveryReason ?? "" });
    const text = key === "refused" ? `${t.refused}: ${error?.message}` : (t[key] ?? "");
    if (this.#status.textContent !== text) this.#status.textContent = text;
    this.#more.replaceChildren(...(key === "failed" ? [this.#again()] : []), ...(value !== undefined && comment !== "" ? [this.#comment()] : []));
  }

  #again() {
    const again = make("button", { type: "button", class: "plain", "data-key": "again" }, this.#words.again);
    again.addEventListener("click", () => void this.#ballot.redeliver().catch(() => {}));
    return again;
  }

  /** What was said, as the way back to it. */
  #comment() {
    const { value, reasons, comment } = this.state;
    const edit = make("button", { type: "button", class: "said", part: "comment", "aria-label": `${this.#words.edit}: ${comment}`, "data-key": "said" }, comment);
    edit.addEventListener("click", () => {
      this.#open = value;
      this.#draft = { reasons, comment };
      this.#draw();
    });
    return edit;
  }

  #panel() {
    const t = this.#words;
    const side = this.#open;
    const panel = make("div", { role: "group", "aria-label": side ? t.good : t.bad, class: "panel", part: "panel" });
    const chips = make("div", { class: "chips" });
    const named = this.getAttribute(side ? "reasons-up" : "reasons-down");
    for (const reason of named === null ? usual[side ? "up" : "down"] : named.split(",").map((word) => word.trim()).filter(Boolean)) {
      const on = this.#draft.reasons.includes(reason);
      const chip = make("button", { type: "button", "aria-pressed": on, "data-key": `reason ${reason}` }, t.reasons[reason] ?? sentence(reason));
      chip.addEventListener("click", () => {
        this.#draft.reasons = on ? this.#draft.reasons.filter((other) => other !== reason) : [...this.#draft.reasons, reason];
        this.#draw();
      });
      chips.append(chip);
    }
    const comment = make("textarea", { rows: 3, maxlength: 1000, dir: "auto", "aria-label": t.comment, placeholder: t.more, "data-key": "comment" });
    comment.value = this.#draft.comment;
    comment.addEventListener("input", () => (this.#draft.comment = comment.value));
    const send = make("button", { type: "button", class: "send", part: "send", "data-key": "send" }, t.send);
    send.addEventListener("click", () => this.#send());
    const skip = make("button", { type: "button", class: "plain", "data-key": "skip" }, t.skip);
    skip.addEventListener("click", () => this.#close(true));
    const buttons = make("div", { class: "row" });
    buttons.append(send, skip);
    panel.append(make("p", { class: "title" }, side ? t.good : t.bad), chips, comment, buttons);
    return panel;
  }
}

function make(tag, attributes, text = "") {
  const element = document.createElement(tag);
  set(element, attributes);
  element.append(text);
  return element;
}

function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
}

function picture() {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", "M7 10v11H3V10zm0 0 4-8c1.7 0 3 1.3 3 3v4h5.5a2 2 0 0 1 2 2.3l-1.3 8A2 2 0 0 1 18.2 21H7");
  svg.append(path);
  return svg;
}

function sentence(key) {
  const text = key.replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

if (!customElements.get("thumbprint-feedback")) customElements.define("thumbprint-feedback", ThumbprintFeedback);
