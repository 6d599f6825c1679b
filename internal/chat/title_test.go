package chat

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSubjectOf(t *testing.T) {
	for text, want := range map[string]string{
		"What is the weather?":                             "What is the weather?",
		"how do I return an order":                         "How do I return an order",
		"Hi, can you please tell me the weather in Paris?": "The weather in Paris",
		"Hi": "Hi",
		"Hello there! Could you please tell me what a trace is?": "What a trace is",
		"Hello, please explain snake_case to me.":                "Explain snake_case to me",
		"My order came broken. How do I return it? Thanks.":      "How do I return it?",
		"Use version 3.5 now. Is it OK?":                         "Is it OK?",
		"Kannst du mir bitte erklären, wie das geht?":            "Wie das geht",
		"Guten Tag, ich möchte wissen, was es kostet.":           "Was es kostet",
		"# Report\n\nWrite **one** on `sales`.":                  "Write one on sales",
		"See [the docs](https://x.example/a) for it":             "See the docs for it",
		"What is on https://www.example.com/a/b?c=d today?":      "What is on example.com today?",
		"Fix this code\n\n```go\nfunc main() {}\n```":            "Fix this code",
		"```\nSELECT 1\n```":                                     "SELECT 1",
		"سؤال عن الطلب؟":                                         "سؤال عن الطلب؟",
		"订单在哪里？谢谢。":                                              "订单在哪里？谢谢。",
		"...":                                                    "",
		" \n ":                                                   "",
		"Compare the agent’s version before and after the retriever’s index was rebuilt": "Compare the agent’s version before and after the…",
	} {
		if got := subjectOf(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if got := subjectOf(strings.Repeat("ä", 3000)); utf8.RuneCountInString(got) != maxSubject || !strings.HasSuffix(got, "…") {
		t.Errorf("one long word: %q", got)
	}
}

func FuzzSubjectOf(f *testing.F) {
	for _, s := range []string{"a", "Hi, can you\x00 help?", "```", "[](", "\xff\xfe", "……", "1. # > - please bitte can you tell me"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := subjectOf(s)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > maxSubject || strings.ContainsAny(got, "\x00\n") {
			t.Errorf("%q: %q", s, got)
		}
	})
}
