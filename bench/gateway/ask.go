package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// way is one way to the agent.
type way struct {
	name    string
	process *process // whose CPU time and memory count
	url     func(script string) string
	body    string
	rated   string // where each answer is rated; empty when none is
}

const question = "Tell me something about the weather in Paris, please. "

// The ways that are compared with each other.
const (
	direct  = "the agent itself"
	proxied = "httputil.ReverseProxy"
	durably = "the same after the link's commit"
	linked  = "Thumbprint, link stored"
)

// ways are all ways, the direct one first, then the peers, then ours with more
// and more of what Thumbprint does.
func ways(p *parts) []*way {
	turn := func(more string) string {
		return `{` + more + `"messages":[{"role":"user","content":"` + strings.Repeat(question, 20) + `"}]}`
	}
	through := func(one *process) func(string) string {
		return func(script string) string { return one.url + "/" + script }
	}
	ours := func(script string) string { return p.thumbprint.url + "/api/v1/agents/" + script + "/invocations" }
	traced := func(script string) string { return strings.Replace(ours(script), "/fast/", "/traced/", 1) }
	all := []*way{{name: direct, process: p.agent, url: through(p.agent), body: turn("")}}
	if p.nginx != nil {
		all = append(all, &way{name: "nginx", process: p.nginx, url: through(p.nginx), body: turn("")})
	}
	return append(all,
		&way{name: proxied, process: p.proxy, url: through(p.proxy), body: turn("")},
		&way{name: durably, process: p.durable, url: through(p.durable), body: turn("")},
		&way{name: linked, process: p.thumbprint, url: ours, body: turn(`"store":false,`)},
		&way{name: "+ question and answer stored", process: p.thumbprint, url: ours, body: turn("")},
		&way{name: "+ trace recorded", process: p.thumbprint, url: traced, body: turn("")},
		&way{name: "+ rated, the rating delivered", process: p.thumbprint, url: traced, body: turn(""), rated: p.thumbprint.url + "/api/log_assessment"})
}

// heard is what one stream was like for who read it.
type heard struct {
	first time.Duration   // until the first text
	gaps  []time.Duration // between one text and the next
	late  []time.Duration // between a text's saying and its arrival, where it says when
}

var errCut = errors.New("the stream was cut")

// ask reads one stream that has so many pieces of text.
func (w *way) ask(ctx context.Context, client *http.Client, script string, pieces int) (h heard, err error) {
	began := time.Now()
	resp, err := w.post(ctx, client, w.url(script), w.body)
	if err != nil {
		return h, err
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	texts, done, last := 0, false, began
	for {
		line, err := lines.ReadSlice('\n')
		switch {
		case bytes.Contains(line, []byte("output_text.delta")):
			now := time.Now()
			if texts++; texts == 1 {
				h.first = now.Sub(began)
			} else {
				h.gaps = append(h.gaps, now.Sub(last))
			}
			if said, ok := stamp(line); ok {
				h.late = append(h.late, now.Sub(said))
			}
			last = now
		case bytes.HasPrefix(line, []byte("data: [DONE]")):
			done = true
		}
		if err == io.EOF {
			break
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return h, err
		}
	}
	if texts != pieces || !done {
		return h, fmt.Errorf("%w: HTTP %d, %d of %d pieces, [DONE] %v", errCut, resp.StatusCode, texts, pieces, done)
	}
	if w.rated != "" {
		return h, w.rate(ctx, client, resp.Header.Get("X-Client-Request-Id"))
	}
	return h, nil
}

// stamp reads when a paced piece was said.
func stamp(line []byte) (time.Time, bool) {
	_, after, ok := bytes.Cut(line, []byte("@"))
	digits, _, ended := bytes.Cut(after, []byte(" "))
	n, err := strconv.ParseInt(string(digits), 10, 64)
	return time.Unix(0, n), ok && ended && err == nil
}

func (w *way) rate(ctx context.Context, client *http.Client, id string) error {
	resp, err := w.post(ctx, client, w.rated, `{"trace_id":"`+id+`","assessment_name":"user_feedback","assessment_value":true}`)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode/100 != 2 {
		return fmt.Errorf("rate %s: HTTP %d, %w", id, resp.StatusCode, err)
	}
	return nil
}

func (w *way) post(ctx context.Context, client *http.Client, url, body string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Prefer", "respond-async") // a rating is acknowledged when it is on disk
	return client.Do(req)
}
