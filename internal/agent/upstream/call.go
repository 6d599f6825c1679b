package upstream

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/thumbprint-ai/thumbprint/internal/agent"
	"github.com/thumbprint-ai/thumbprint/internal/sse"
)

// errSilent is the cause a call is cancelled with when the agent says nothing
// for too long.
var errSilent = errors.New("the agent was silent for too long")

const (
	maxErrorBody = 64 << 10
	// lingering is how long Close waits for the end of a stream whose [DONE]
	// was read, so that its connection can be used again.
	lingering = 50 * time.Millisecond
)

// call is one running HTTP exchange.
type call struct {
	parent context.Context // the caller's; says whether it was they who stopped
	ctx    context.Context // the exchange's own
	cancel context.CancelCauseFunc
	timer  *time.Timer // cancels ctx when the agent is silent
	onWait func()      // agent.Request.OnWait
	idle   time.Duration
	host   string
	token  string // to keep it out of messages
	body   io.ReadCloser
	src    io.Reader // body, decompressed
}

// Read reads the answer's body and watches for silence. The watch stops between
// reads: it is not the agent's fault when the reader is slow.
func (c *call) Read(p []byte) (int, error) {
	c.onWait()
	c.timer.Reset(c.idle)
	n, err := c.src.Read(p)
	c.timer.Stop()
	return n, err
}

// close ends the exchange.
func (c *call) close() {
	c.timer.Stop()
	c.cancel(context.Canceled)
	if c.body != nil {
		_ = c.body.Close()
	}
}

// linger reads a body that is known to be at its end to that end, but not for
// long: then its connection goes back to the pool.
func (c *call) linger() {
	c.timer.Reset(lingering)
	_, _ = io.CopyN(io.Discard, c.body, maxErrorBody)
	c.timer.Stop()
}

// answer looks at the response's head and returns its body as a stream.
func (c *call) answer(resp *http.Response, maxEvent int, t Translator) (agent.Stream, error) {
	c.body, c.src = resp.Body, resp.Body
	s, err := c.begin(resp, maxEvent, t)
	if err != nil {
		c.close()
		return nil, err
	}
	return s, nil
}

func (c *call) begin(resp *http.Response, maxEvent int, t Translator) (*stream, error) {
	switch enc := strings.ToLower(resp.Header.Get("Content-Encoding")); enc {
	case "", "identity":
	case "gzip", "x-gzip":
		c.src = &lazyGzip{src: resp.Body}
	default:
		return nil, c.bad(resp, "The agent at %s answered with a compression it was not asked for (%s).", c.host, agent.Clean(enc))
	}
	if resp.StatusCode != http.StatusOK {
		return nil, c.status(resp)
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case kind == "text/event-stream":
		return &stream{call: c, reader: sse.NewReader(c, maxEvent), translator: t}, nil
	case kind == "application/json" || strings.HasSuffix(kind, "+json"):
		return c.document(resp, maxEvent, t)
	case kind == "":
		kind = "an answer of no type"
	}
	return nil, c.bad(resp, "The agent at %s answered with %s instead of an event stream or JSON; is its URL right?", c.host, agent.Clean(kind))
}

// document makes a stream of one JSON answer.
func (c *call) document(resp *http.Response, limit int, t Translator) (*stream, error) {
	body, err := io.ReadAll(io.LimitReader(c, int64(limit)+1))
	if err != nil {
		return nil, c.broken(err)
	}
	if len(body) > limit {
		return nil, c.tooLarge(limit)
	}
	body, ok := normalize(body)
	if !ok {
		return nil, c.bad(resp, "The agent at %s answered with something that is not a JSON object, or is nested without end.", c.host)
	}
	p := peek("", body)
	if p.failed {
		return nil, c.reported(p)
	}
	s := &stream{call: c, translator: t, trace: p.trace, over: true}
	if id := gjson.GetBytes(body, "metadata.trace_id"); isTraceID(id) {
		s.trace = id.Str
	}
	if err := t.Answer(body, &s.queue); err != nil {
		return nil, err
	}
	t.Finish(&s.queue)
	return s, nil
}

// lazyGzip decompresses, but reads nothing before it is asked to: the header of
// a compressed stream may come minutes after the response's.
type lazyGzip struct {
	src io.Reader
	zip *gzip.Reader
}

func (g *lazyGzip) Read(p []byte) (int, error) {
	if g.zip == nil {
		zip, err := gzip.NewReader(g.src)
		if err != nil {
			return 0, fmt.Errorf("begin gzip: %w", err)
		}
		g.zip = zip
	}
	return g.zip.Read(p)
}
