package demo

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"regexp"
	"strings"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/agent/vocab"
)

// rule is one thing the demo agent can show.
type rule struct {
	applies func(q question) bool
	act     func(a *script, q question)
	refuses bool // fails before it begins
}

// choose returns the first rule that applies. The order matters: "fail late"
// also has the word "fail", and "delete the table" the word "table".
func choose(q question) rule {
	for _, r := range []rule{
		{applies: func(q question) bool { return len(q.approvals) > 0 }, act: actApproved},
		{applies: func(q question) bool {
			return q.has("fail", "scheitere") && q.has("late", "middle", "spät", "mittendrin")
		}, act: actFailLate},
		{applies: func(q question) bool { return q.has("fail", "scheitere", "fehler") }, refuses: true},
		{applies: func(q question) bool { return q.has("empty", "leer", "leere") }, act: actEmpty},
		{applies: func(q question) bool { return q.has("slow", "slowly", "langsam") }, act: actSlow},
		{applies: func(q question) bool { return q.has("weather", "wetter") }, act: actWeather},
		{applies: func(q question) bool {
			return q.has("cite", "citation", "citations", "source", "sources", "quelle", "quellen")
		}, act: actSources},
		{applies: func(q question) bool {
			return q.has("think", "thinking", "reason", "reasoning", "denk", "denke", "nachdenken")
		}, act: actThink},
		{applies: func(q question) bool {
			return q.has("approve", "approval", "delete", "lösche", "freigabe", "genehmigung")
		}, act: actApproval},
		{applies: func(q question) bool { return q.has("table", "tabelle", "code", "markdown") }, act: actShowcase},
		{applies: func(q question) bool { return q.has("long", "lang", "lange") }, act: actLong},
	} {
		if r.applies(q) {
			return r
		}
	}
	return rule{act: actHelp}
}

// actHelp answers whatever no rule knows: what it is, and what can be tried.
func actHelp(a *script, q question) {
	opening := say(q, "I am the **built-in demo agent**: a handful of rules, no language model, no network.",
		"Ich bin der **eingebaute Demo-Agent**: eine Handvoll Regeln, kein Sprachmodell, kein Netz.")
	if q.text != "" && !q.has("hi", "hello", "hallo", "help", "hilfe", "can", "kannst") {
		opening += say(q, " So I did not understand “", " Verstanden habe ich „") + excerpt(q.text) + say(q, "”, but", "“ also nicht, aber")
	} else {
		opening += say(q, " Still,", " Trotzdem:")
	}
	a.text(opening+say(q, ` here is what you can try with me:

| Say | and you see |
|---|---|
| *weather in Paris* | a tool call and its result |
| *cite your sources* | citations |
| *think about it* | visible reasoning |
| *show me a table and some code* | Markdown |
| *delete the old table* | a tool that asks for your approval |
| *slow*, *long*, *empty* | answers to stop, to scroll and to wonder about |
| *fail*, *fail late* | an answer that fails before it begins, or in the middle |

Rate any of them with a thumb, then open its trace.`, ` das kannst du mit mir ausprobieren:

| Sag | und du siehst |
|---|---|
| *Wetter in Paris* | den Aufruf eines Werkzeugs und sein Ergebnis |
| *Quellen bitte* | Belege |
| *denke nach* | sichtbares Nachdenken |
| *zeige eine Tabelle und Code* | Markdown |
| *lösche die alte Tabelle* | ein Werkzeug, das um Erlaubnis fragt |
| *langsam*, *lange*, *leer* | Antworten zum Anhalten, Blättern und Wundern |
| *scheitere*, *scheitere spät* | eine Antwort, die vorher oder mittendrin scheitert |

Bewerte eine davon mit dem Daumen und öffne dann ihren Trace.`), 1, 1)
	a.finish()
}

// excerpt returns the beginning of a text on one line, safe inside Markdown.
func excerpt(text string) string {
	const most = 60
	text = strings.Join(strings.Fields(text), " ")
	text = strings.NewReplacer("`", "'", "*", "", "_", "", "|", "/", "<", "‹", ">", "›", "[", "(", "]", ")", "\\", "").Replace(text)
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}

// place finds where the weather is asked for.
var place = regexp.MustCompile(`(?i)\b(?:in|for|at|für|von)\s+(\p{L}[\p{L} .'’-]{0,38}\p{L})`)

// actWeather makes weather up: always the same for the same place.
func actWeather(a *script, q question) {
	city := "Berlin"
	if m := place.FindStringSubmatch(q.text); m != nil {
		city = m[1]
		for _, end := range []string{" today", " tomorrow", " now", " please", " like", " heute", " morgen", " jetzt", " bitte"} {
			city = strings.TrimSuffix(city, end)
		}
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(strings.ToLower(city)))
	temp := int(h.Sum32()%30) - 2
	english := []string{"clear", "cloudy", "rainy", "windy"}[h.Sum32()/30%4]
	german := []string{"klar", "bewölkt", "regnerisch", "windig"}[h.Sum32()/30%4]
	in, _ := json.Marshal(map[string]string{"city": city})
	out, _ := json.Marshal(map[string]any{"city": city, "temperature_c": temp, "sky": english, "source": "made up by the demo agent"})
	a.tool("get_weather", string(in), string(out))
	a.text(say(q, fmt.Sprintf("It is **%d °C and %s** in %s. (My weather tool made that up: I am a demo and have no network.)", temp, english, city),
		fmt.Sprintf("In %[3]s sind es **%[1]d °C, %[2]s**. (Das hat sich mein Wetterwerkzeug ausgedacht: Ich bin eine Demo ohne Netz.)", temp, german, city)), 1, 1)
	a.finish()
}

// actSources shows a retrieval and citations of its documents.
func actSources(a *script, q question) {
	a.tool("search_documents", `{"query": "client request id feedback"}`,
		`[{"title": "MLflow documentation", "url": "https://mlflow.org/docs/latest/"}, {"title": "Collect user feedback", "url": "https://docs.databricks.com/aws/en/mlflow3/genai/tracing/collect-user-feedback"}]`)
	first := say(q, "A trace records one request: what went in, what came out, and each step between.",
		"Ein Trace hält eine Anfrage fest: was hinein- und herausging und jeden Schritt dazwischen.")
	second := say(q, "A rating is attached to that trace, found by the answer's client request id.",
		"Eine Bewertung hängt an diesem Trace, gefunden über die Client-Request-Id der Antwort.")
	text := first + " " + second + say(q, "\n\n*(The two sources are real pages; the search was acted.)*",
		"\n\n*(Die beiden Quellen gibt es wirklich; die Suche war gespielt.)*")
	a.text(text, 1, 1,
		cite(text, first, "MLflow documentation", "https://mlflow.org/docs/latest/"),
		cite(text, second, "Collect user feedback", "https://docs.databricks.com/aws/en/mlflow3/genai/tracing/collect-user-feedback"))
	a.finish()
}

// actThink shows reasoning before the answer.
func actThink(a *script, q question) {
	id := a.id("rs")
	thought := say(q, "The question asks me to think. I have no model to think with, so I recite this sentence, which is what reasoning looks like on this page.",
		"Ich soll nachdenken. Ein Modell dafür habe ich nicht, also sage ich diesen Satz auf: So sieht Nachdenken auf dieser Seite aus.")
	for i, word := range strings.SplitAfter(thought, " ") {
		a.add(0.8+0.1*float64(i*7%5), vocab.ReasoningDelta(id, word))
	}
	a.add(0, vocab.ItemDone(vocab.Reasoning(id, thought)))
	a.text(say(q, "Done thinking. My conclusion: rules are quick, but they do not understand you.",
		"Fertig gedacht. Mein Schluss: Regeln sind schnell, aber sie verstehen dich nicht."), 1, 1)
	a.finish()
}

// actShowcase shows Markdown.
func actShowcase(a *script, q question) {
	a.text(say(q, "## A table, some code, a list\n\n", "## Eine Tabelle, etwas Code, eine Liste\n\n")+
		say(q, "| Event | Means |\n|---|---|\n| `trace.client_request_id` | the answer has a name |\n| `response.output_text.delta` | a piece of text |\n| `thumbprint.done` | it is stored |\n\n",
			"| Ereignis | Bedeutung |\n|---|---|\n| `trace.client_request_id` | die Antwort hat einen Namen |\n| `response.output_text.delta` | ein Stück Text |\n| `thumbprint.done` | sie ist gespeichert |\n\n")+
		"```python\nimport mlflow\n\ntraces = mlflow.search_traces(\n    filter_string=\"trace.client_request_id = 'req-0123456789abcdef'\",\n)\nprint(traces)\n```\n\n"+
		say(q, "1. **bold**, *italic*, ~~struck~~ and `code`\n2. [a link](https://mlflow.org/)\n   - nested\n\n",
			"1. **fett**, *kursiv*, ~~gestrichen~~ und `Code`\n2. [ein Link](https://mlflow.org/)\n   - eingerückt\n\n")+
		say(q, "> A quotation, of nobody in particular.\n", "> Ein Zitat, von niemand Bestimmtem.\n"), 1, 1)
	a.finish()
}

// actSlow pauses long enough to press Stop.
func actSlow(a *script, q question) {
	text := say(q, "Slowly, then. This answer takes its time, about ten seconds, so that you can press Stop in the middle of it, or reload the page and find it still going.",
		"Also langsam. Diese Antwort lässt sich Zeit, etwa zehn Sekunden, damit du sie mittendrin anhalten oder die Seite neu laden kannst und sie noch läuft.")
	a.text(text, 1, 14)
	a.finish()
}

// actLong scrolls.
func actLong(a *script, q question) {
	var b strings.Builder
	for i := range 20 {
		fmt.Fprintf(&b, say(q, "**Paragraph %d of 20.** A long answer has to be scrolled, and the page has to follow it only as long as you do not scroll yourself. "+
			"These sentences are always the same, because nobody writes them: they are there to have length, and a rating given to them is about that.\n\n",
			"**Absatz %d von 20.** Eine lange Antwort muss gescrollt werden, und die Seite soll ihr nur folgen, solange du nicht selbst scrollst. "+
				"Diese Sätze sind immer dieselben, weil niemand sie schreibt: Sie sind da, um Länge zu haben, und eine Bewertung gilt eben dieser.\n\n"), i+1)
	}
	a.text(b.String(), 4, 1)
	a.finish()
}

// actEmpty says nothing at all, which is an answer too.
func actEmpty(a *script, _ question) { a.finish() }

// actFailLate breaks in the middle of a sentence.
func actFailLate(a *script, q question) {
	a.deltas(a.id("msg"), say(q, "This answer begins well and then, in the middle of ", "Diese Antwort fängt gut an und dann, mitten im "), 1, 1)
	a.steps = append(a.steps, step{pause: 8, err: agent.Errorf(agent.CodeAgentError, "%s",
		say(q, "The demo agent failed in the middle of its answer, because you asked for it.",
			"Der Demo-Agent ist mitten in seiner Antwort gescheitert, weil du danach gefragt hast."))})
}

// actApproval asks before it acts.
func actApproval(a *script, q question) {
	a.text(say(q, "For that I would call a tool that deletes something, so I ask first.",
		"Dafür würde ich ein Werkzeug aufrufen, das etwas löscht, also frage ich vorher."), 1, 1)
	a.add(4, vocab.ItemDone(vocab.ApprovalRequest(a.id("mcpr"), "demo", "delete_table", `{"table": "main.demo.old"}`)))
	a.finish()
}

// actApproved answers the decision.
func actApproved(a *script, q question) {
	if q.approvals[0].Approve {
		a.tool("delete_table", `{"table": "main.demo.old"}`, `{"deleted": false, "reason": "the demo agent has no tables"}`)
		a.text(say(q, "You approved it, so I pretended to delete the table. Nothing was deleted: there is none.",
			"Du hast es erlaubt, also habe ich so getan, als löschte ich die Tabelle. Gelöscht wurde nichts: Es gibt keine."), 1, 1)
	} else {
		a.text(say(q, "You said no, so nothing was done.", "Du hast abgelehnt, also ist nichts geschehen."), 1, 1)
	}
	a.finish()
}
