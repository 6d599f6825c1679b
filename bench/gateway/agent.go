package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// How many pieces of text the scripted agent's answers have.
const (
	events     = 20
	longEvents = 1000
)

const (
	pace = 5 * time.Millisecond // between the pieces of a paced answer
	slow = 3 * time.Second      // between the pieces of one that is held open
)

// serveAgent is the scripted agent. Its paths are ways to answer:
// /fast has answered before it was asked, /paced says a piece each 5 ms and when
// it said it, /long has a thousand pieces, and /slow never comes to an end.
func serveAgent(addr string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/fast", script(events))
	mux.HandleFunc("/long", script(longEvents))
	mux.HandleFunc("/paced", func(w http.ResponseWriter, r *http.Request) {
		say := begin(w, r)
		for range events {
			time.Sleep(pace)
			say(piece(fmt.Sprintf("@%d ", time.Now().UnixNano())))
		}
		say(ending)
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		say := begin(w, r)
		tick := time.NewTicker(slow)
		defer tick.Stop()
		for {
			say(piece("word "))
			select {
			case <-tick.C:
			case <-r.Context().Done():
				return
			}
		}
	})
	mux.HandleFunc("/", func(http.ResponseWriter, *http.Request) {}) // it is up
	return http.ListenAndServe(addr, mux)
}

func piece(text string) string {
	return `data: {"type": "response.output_text.delta", "item_id": "msg_1", "delta": "` + text + "\"}\n\n"
}

const ending = `data: {"type": "response.output_item.done", "item": {"type": "message", "id": "msg_1", "role": "assistant", ` +
	`"content": [{"type": "output_text", "text": "some words"}]}}` + "\n\ndata: [DONE]\n\n"

// begin reads the question and returns how to say something, each in a write of
// its own.
func begin(w http.ResponseWriter, r *http.Request) (say func(string)) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "text/event-stream")
	rc := http.NewResponseController(w)
	return func(text string) {
		_, _ = io.WriteString(w, text)
		_ = rc.Flush()
	}
}

func script(n int) http.HandlerFunc {
	var parts []string
	for i := range n {
		parts = append(parts, piece(fmt.Sprintf("some words %03d ", i)))
	}
	parts = append(parts, strings.SplitAfter(ending, "\n\n")...)
	return func(w http.ResponseWriter, r *http.Request) {
		say := begin(w, r)
		for _, p := range parts {
			say(p)
		}
	}
}
